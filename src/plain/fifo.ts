/** First in, first out, at the same cost for any number: the `shift` of a long array moves all the others. */
export class Fifo<T> {
  #items: (T | undefined)[] = [];
  #start = 0;

  get first(): T | undefined {
    return this.#items[this.#start];
  }

  get length(): number {
    return this.#items.length - this.#start;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  /** Before all others. */
  unshift(item: T): void {
    if (this.#start === 0) this.#items.unshift(item);
    else this.#items[--this.#start] = item;
  }

  shift(): T | undefined {
    const item = this.first;
    if (this.length === 0) return undefined;
    this.#items[this.#start++] = undefined;
    if (this.#start * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#start);
      this.#start = 0;
    }
    return item;
  }

  clear(): void {
    this.#items = [];
    this.#start = 0;
  }
}
