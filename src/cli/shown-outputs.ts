/** Both outputs of a remote command on their way to ours, or as events: bytes as they are, or text where that is wanted. */
import { textEncoding } from "../text/encoder.ts";
import { rawHint } from "../text/encoding.ts";
import { isTerminal, type Output } from "./output.ts";
import { textChoice, type TextChoice, type TextGiven } from "./text-options.ts";
import { TextOutput } from "./text-output.ts";
import type { Context } from "./verb.ts";

interface Shown {
  push(bytes: Uint8Array): Promise<void>;
  end(): Promise<void>;
}

export class ShownOutputs {
  readonly out: Shown;
  readonly err: Shown;
  readonly #send: string;

  /** `hello`: what the server says its programs print. */
  constructor(context: Context, given: TextGiven, host: { encoding?: string }, hello: string | null) {
    const { ui, json } = context;
    const choose = (terminal: boolean): TextChoice => textChoice(context, given, host, { terminal, hello });
    const stdout = choose(!json.enabled && isTerminal(1));
    this.#send = stdout.send;
    if (json.enabled) {
      this.out = asEvents(context, "stdout", stdout);
      this.err = asEvents(context, "stderr", stdout);
      return;
    }
    if (stdout.decoding.kind === "raw") {
      const hint = rawHint({
        flag: given.encoding,
        variable: context.env["SOCK_ENCODING"],
        host: host.encoding,
        hello,
        terminal: false,
      });
      if (hint !== undefined) ui.hint(hint);
    }
    this.out = toOutput(stdout, ui.stdout);
    this.err = toOutput(choose(isTerminal(2)), ui.stderr);
  }

  /** What is typed at a terminal is sent in the encoding that was stated for the other side; a pipe's bytes stay. */
  async *input(typed: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    if (this.#send === "utf-8" || !isTerminal(0)) {
      yield* typed;
      return;
    }
    const encoding = textEncoding(this.#send);
    for await (const bytes of typed) yield encoding.push(bytes);
    yield encoding.end();
  }

  /** What a character at the very end still waited for comes out too. */
  async end(): Promise<void> {
    await this.out.end();
    await this.err.end();
  }
}

function toOutput(choice: TextChoice, output: Output): Shown {
  // the memory is the connection's
  const write = async (bytes: Uint8Array): Promise<void> => output.lent(bytes);
  if (choice.decoding.kind === "raw") return { push: write, end: async () => undefined };
  return new TextOutput(choice, write);
}

function asEvents({ json, ui }: Context, stream: "stdout" | "stderr", choice: TextChoice): Shown {
  const emit = async (fields: { text: string } | { data64: string }): Promise<void> => {
    json.emit({ type: "output", stream, ...fields });
    await ui.stdout.drain();
  };
  if (choice.decoding.kind === "raw") return new Exact(emit);
  const decoder = new TextDecoder();
  return new TextOutput({ ...choice, out: "utf-8" }, async (bytes) => emit({ text: decoder.decode(bytes) }));
}

/** UTF-8 as text, whole characters at a time; what is none as base64, so that every byte can be had back. */
class Exact implements Shown {
  readonly #emit: (fields: { text: string } | { data64: string }) => Promise<void>;
  /** The beginning of a character whose rest has not come yet. */
  #rest: Uint8Array = new Uint8Array(0);

  constructor(emit: (fields: { text: string } | { data64: string }) => Promise<void>) {
    this.#emit = emit;
  }

  async push(bytes: Uint8Array): Promise<void> {
    const all = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    const whole = all.length - cutCharacter(all);
    this.#rest = all.slice(whole);
    await this.#tell(all.subarray(0, whole));
  }

  async end(): Promise<void> {
    await this.#tell(this.#rest);
  }

  async #tell(bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return;
    let text: string;
    try {
      text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      return this.#emit({ data64: bytes.toBase64() });
    }
    return this.#emit({ text });
  }
}

/** How many bytes at the end may be the beginning of a UTF-8 character (RFC 3629). */
function cutCharacter(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte < 0x80) return 0;
    if (byte < 0xc0) continue;
    const length = byte > 0xf4 ? 0 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
    return length > back ? back : 0;
  }
  return 0;
}
