/** One stream of a program's output on its way to stdout or stderr: decoded, and shown in time when nothing follows. */
import { ColoursOnly } from "../text/colours-only.ts";
import { textStream } from "../text/decoder.ts";
import { textEncoding, type TextEncoding } from "../text/encoder.ts";
import { giveBack } from "../text/slab.ts";
import type { TextStream } from "../text/stream.ts";
import type { TextChoice } from "./text-options.ts";

export class TextOutput {
  readonly #in: TextStream;
  readonly #safe: ColoursOnly | undefined;
  readonly #out: TextEncoding;
  readonly #write: (bytes: Uint8Array) => Promise<void>;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `write` takes its bytes in order; a failure of it shows in the next `push` or in `end`. */
  constructor(choice: TextChoice, write: (bytes: Uint8Array) => Promise<void>) {
    this.#in = textStream(choice.decoding, { clock: () => performance.now() });
    this.#safe = choice.safe === true ? new ColoursOnly() : undefined;
    this.#out = textEncoding(choice.out);
    this.#write = write;
  }

  /** Resolves when more may come. */
  async push(bytes: Uint8Array): Promise<void> {
    const text = this.#in.push(bytes);
    this.#wait();
    await this.#put(text);
    giveBack(text);
  }

  async end(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#put(this.#in.end());
    if (this.#safe !== undefined) await this.#written(this.#out.push(this.#safe.end()));
    await this.#written(this.#out.end());
  }

  #wait(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const { due } = this.#in;
    if (due === undefined) return;
    this.#timer = setTimeout(() => this.#late(), Math.max(1, Math.ceil(due - performance.now())));
  }

  #late(): void {
    const text = this.#in.tick();
    this.#wait();
    // whoever pushes or ends next hears of a failure
    this.#put(text).then(
      () => giveBack(text),
      () => undefined,
    );
  }

  async #put(text: Uint8Array): Promise<void> {
    await this.#written(this.#out.push(this.#safe?.push(text) ?? text));
  }

  async #written(bytes: Uint8Array): Promise<void> {
    if (bytes.length > 0) await this.#write(bytes);
  }
}
