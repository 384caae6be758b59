/** Keys on their way to a remote terminal: after a newline, `~` begins a word to sock itself, as in ssh. */
export type Escape = "end" | "stay" | "suspend" | "help";

const TILDE = 0x7e;
const WORDS: ReadonlyMap<number, Escape> = new Map([
  [0x2e, "end"],
  [0x64, "stay"],
  [0x1a, "suspend"],
  [0x3f, "help"],
]);

export class Keys {
  #state: "line-start" | "tilde" | "inside" = "line-start";

  /** What goes on to the terminal, and what was meant for us, in their order. */
  feed(bytes: Uint8Array): (Uint8Array | Escape)[] {
    const out: (Uint8Array | Escape)[] = [];
    let from = 0;
    for (let at = 0; at < bytes.length; at++) {
      const byte = bytes[at] ?? 0;
      if (this.#state === "tilde") {
        const word = WORDS.get(byte);
        this.#state = "inside";
        if (word !== undefined) {
          out.push(word);
          this.#state = "line-start";
          from = at + 1;
          continue;
        }
        // ~~ is one ~, and what follows any other ~ goes on with it
        if (byte !== TILDE) out.push(Uint8Array.of(TILDE));
      } else if (this.#state === "line-start" && byte === TILDE) {
        if (at > from) out.push(bytes.subarray(from, at));
        from = at + 1;
        this.#state = "tilde";
        continue;
      }
      this.#state = byte === 0x0d || byte === 0x0a ? "line-start" : "inside";
    }
    if (from < bytes.length) out.push(bytes.subarray(from));
    return out;
  }
}
