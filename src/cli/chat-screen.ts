/** What is said in a chat, as it is shown and as it is typed: at a terminal, through pipes, or as events. */
import { SockError } from "../errors.ts";
import { decodeText } from "../text/decoder.ts";
import type { Decoding } from "../text/encoding.ts";
import { escapeForDisplay } from "../text/escape.ts";
import { ChatEditor } from "./chat-editor.ts";
import { lines } from "./lines.ts";
import { isTerminal } from "./output.ts";
import type { Context } from "./verb.ts";

export class ChatScreen {
  readonly #context: Context;
  readonly #editor: ChatEditor | undefined;
  readonly #decoding: Decoding;
  readonly #over = new AbortController();

  private constructor(context: Context, decoding: Decoding, editor: ChatEditor | undefined) {
    this.#context = context;
    this.#decoding = decoding;
    this.#editor = editor;
    context.signal.addEventListener("abort", () => this.close(), { once: true });
  }

  /** A person's where both ends of it are a terminal; `decoding` is for a pipe. */
  static async open(context: Context, decoding: Decoding): Promise<ChatScreen> {
    const isPerson = !context.json.enabled && isTerminal(0) && isTerminal(2);
    return new ChatScreen(context, decoding, isPerson ? await ChatEditor.open("> ") : undefined);
  }

  get isPerson(): boolean {
    return this.#editor !== undefined;
  }

  /** Ours, before what is typed. */
  name(name: string): void {
    this.#editor?.prompt(`${escapeForDisplay(name)}> `);
  }

  /** Somebody's words; line ends in them begin a new one, which is theirs too. */
  async said(from: string, text: string): Promise<void> {
    this.#context.json.emit({ type: "said", from, text });
    if (!this.#context.json.enabled) this.#show(from, text);
    await this.#context.ui.drain();
  }

  #show(from: string, text: string): void {
    const who = escapeForDisplay(from);
    const own = text.replace(/\r?\n$/, "").split(/\r?\n/);
    const shown = own.map((line) => `${who}: ${escapeForDisplay(line)}`).join("\n");
    if (this.#editor !== undefined && isTerminal(1)) this.#editor.print(shown);
    else this.#context.ui.print(shown);
  }

  /** Who came, who left, what is wrong; names in it are escaped. */
  notice(text: string): void {
    if (this.#context.quiet || this.#context.json.enabled) return;
    if (this.#editor === undefined) this.#context.ui.report(text);
    else this.#editor.print(text);
  }

  /** What is typed or piped here, until its end, `close`, or Ctrl-C, which throws. */
  async *typed(): AsyncGenerator<string> {
    if (this.#editor !== undefined) {
      yield* this.#editor.typed();
      if (this.#editor.interrupted) throw new SockError("interrupted", "interrupted");
      return;
    }
    for await (const { bytes } of lines(Bun.stdin.stream(), this.#over.signal)) {
      yield decodeText(bytes, this.#decoding).replace(/\r$/, "");
    }
  }

  close(): void {
    this.#over.abort();
    this.#editor?.close();
  }
}
