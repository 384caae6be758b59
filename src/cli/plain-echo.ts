/** `sock echo` with a peer that speaks no sock: sends, shows what came, and where the dialect says what should, judges. */
import { measureLines, openLines } from "../client/measure.ts";
import { resolvePeer } from "../client/plain-peer.ts";
import { asSockError, SockError, STATUS } from "../errors.ts";
import { askDatagram } from "../plain/ask-datagram.ts";
import { formatPlain, type PlainUrl } from "../plain/address.ts";
import type { EchoDialect } from "../plain/dialect.ts";
import { dialectFor } from "../plain/dialects.ts";
import { PlainEchoLine } from "../plain/echo-line.ts";
import { ANSWER_BEGIN_MS, ANSWER_PAUSE_MS, MAX_ANSWER_BYTES } from "../plain/limits.ts";
import { type Peer, QUIET } from "../plain/peer.ts";
import { decodeText } from "../text/decoder.ts";
import { encodeText } from "../text/encoder.ts";
import { escapeForDisplay } from "../text/escape.ts";
import { formatBytes } from "../text/units.ts";
import { type EchoFigures, measureAndTell, type WantedEchoes } from "./echo-measure.ts";
import type { MeasureGiven } from "./echo-run-options.ts";
import { lines } from "./lines.ts";
import { isTerminal } from "./output.ts";
import { connected, untilReady } from "./plain-client.ts";
import { type DialectGiven, tracer } from "./plain-options.ts";
import { type TextChoice, textChoice, type TextGiven } from "./text-options.ts";
import type { Context } from "./verb.ts";

export interface PlainEchoGiven extends TextGiven, DialectGiven {
  readonly text: readonly string[];
  readonly "quiet-for": number | undefined;
}

/** `piped`: lines come from stdin. */
export async function plainEcho(
  context: Context,
  { address, rest }: PlainUrl,
  given: PlainEchoGiven,
  sends: boolean,
): Promise<number> {
  if (rest !== "") throw new SockError("usage", "nothing may follow the port of an echo");
  const dialect = given.dialect === undefined ? undefined : dialectFor("echo", given.dialect, "echo");
  const choice = textChoice(context, given, {}, { terminal: context.json.enabled || isTerminal(1) });
  const silent = dialect !== undefined && dialect.expected === undefined;
  if (silent && given.text.length > 0) throw new SockError("usage", `${dialect.name} is sent nothing`);
  if (!silent && !sends) {
    throw new SockError("usage", "what is to be sent?", "sock echo ADDR TEXT, or lines on stdin, or -i");
  }
  const show = new Shown(context, choice, dialect);
  const sent = silent
    ? []
    : given.text.length > 0
      ? one(encodeText(given.text.join(" "), choice.send))
      : typed(context, choice);
  if (address.kind === "udp") {
    if (dialect !== undefined && dialect.reply === undefined)
      throw new SockError("usage", `${dialect.name} is not for UDP`);
    const trace = tracer(context, given.trace);
    const { address: ip } = await resolvePeer(formatPlain(address));
    using socket = await askDatagram(address, { ip, signal: context.signal, trace });
    let before: Uint8Array | undefined;
    for await (const bytes of sent) {
      const wanted = dialect?.expected?.(bytes);
      // datagrams may come twice; without a dialect nobody knows which one this is
      const isCopy = (back: Uint8Array): boolean =>
        wanted !== undefined && isEqual(back, before) && !isEqual(back, wanted);
      const ask = async (): Promise<Uint8Array> => socket.ask(bytes, isCopy);
      before = await (before === undefined ? untilReady(context, ask) : ask());
      await show.back(bytes, before);
    }
    return show.status();
  }
  const peer = await connected(context, address, given.trace);
  try {
    if (silent) {
      await show.back(new Uint8Array(0), await untilEnd(peer));
      return show.status();
    }
    const pauseMs = given["quiet-for"] ?? ANSWER_PAUSE_MS;
    for await (const bytes of sent) {
      await peer.write(bytes);
      await show.back(bytes, await answer(peer, dialect === undefined ? undefined : bytes.length, pauseMs));
    }
    show.more(await peer.finish());
    return show.status();
  } finally {
    peer.close();
  }
}

/** Round trips of bytes that come back, which is `echo` where no dialect is stated. `flag` asked for it. */
export async function measurePlainEcho(
  context: Context,
  url: PlainUrl,
  given: DialectGiven & MeasureGiven & { readonly host: string | undefined },
  flag: string,
): Promise<number> {
  const { address, rest } = url;
  if (rest !== "") throw new SockError("usage", "nothing may follow the port of an echo");
  if (address.kind === "udp") {
    const hint = `sock udp ${formatPlain(address)} measures datagrams`;
    throw new SockError("usage", `--${flag} is for connections`, hint);
  }
  const { name, expected } = dialectFor("echo", given.dialect ?? "echo", "echo");
  if (expected === undefined) throw new SockError("usage", `${name} is sent nothing that could come back`);
  const { signal } = context;
  const measure = async ({ connections, size, ...loop }: WantedEchoes): Promise<EchoFigures> => {
    const open = async (): Promise<PlainEchoLine> =>
      new PlainEchoLine(await connected(context, address, given.trace), size, expected);
    const figures = await measureLines(await openLines(connections, open), loop);
    const failure =
      figures.failure === undefined
        ? undefined
        : signal.aborted
          ? asSockError(signal.reason)
          : figures.failure;
    return { ...figures, failure, address: "" };
  };
  return measureAndTell(context, given, () => ({ name: formatPlain(address), measure }), 1);
}

/** So many bytes, or those that come before a pause. */
async function answer(peer: Peer, length: number | undefined, pauseMs: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let missing = length ?? Infinity;
  let bytes = 0;
  while (missing > 0) {
    const wait = pieces.length === 0 || length !== undefined ? Math.max(pauseMs, ANSWER_BEGIN_MS) : pauseMs;
    const piece = await peer.readWithin(wait);
    if (piece === undefined) break;
    if (piece === QUIET) {
      if (pieces.length > 0) break;
      throw new SockError(
        "silent",
        `no answer in ${wait / 1000} s`,
        "does it wait for the end of a line? sock echo ADDR $'TEXT\\n' sends one",
      );
    }
    const taken = piece.subarray(0, missing);
    peer.unread(piece.subarray(taken.length));
    pieces.push(taken);
    missing -= taken.length;
    bytes += taken.length;
    if (length === undefined) mustEnd(bytes);
  }
  if (pieces.length === 0 && missing > 0)
    throw new SockError("lost", "the peer has closed without an answer");
  return Buffer.concat(pieces);
}

async function untilEnd(peer: Peer): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for (let piece = await peer.read(); piece !== undefined; piece = await peer.read()) {
    pieces.push(piece);
    bytes += piece.length;
    mustEnd(bytes);
  }
  return Buffer.concat(pieces);
}

/** What is shown when it is over has to be over some time. */
function mustEnd(bytes: number): void {
  if (bytes <= MAX_ANSWER_BYTES) return;
  throw new SockError("too-large", `the peer sends and does not stop: over ${formatBytes(MAX_ANSWER_BYTES)}`);
}

/** What came back, shown, and compared where the dialect says what should. */
class Shown {
  readonly #context: Context;
  readonly #choice: TextChoice;
  readonly #dialect: EchoDialect | undefined;
  #asked = 0;
  #differ = 0;
  #more = 0;

  constructor(context: Context, choice: TextChoice, dialect: EchoDialect | undefined) {
    this.#context = context;
    this.#choice = choice;
    this.#dialect = dialect;
  }

  async back(sent: Uint8Array, back: Uint8Array): Promise<void> {
    const { json, ui } = this.#context;
    const { decoding, out } = this.#choice;
    const expected = this.#dialect?.expected?.(sent);
    const equal = expected === undefined ? null : Buffer.compare(expected, back) === 0;
    this.#asked += 1;
    if (equal === false) this.#differ += 1;
    const text = decodeText(back, decoding);
    json.emit({ type: "echo", bytes: back.length, text, equal });
    if (json.enabled) return;
    const shown = isTerminal(1) ? text.split("\n").map(escapeForDisplay).join("\n") : text;
    const data = decoding.kind === "raw" ? back : encodeText(shown, out);
    const newline = this.#dialect?.expected === undefined && back.at(-1) === 10 ? "" : encodeText("\n", out);
    await ui.data(Buffer.concat([data, Buffer.from(newline)]));
  }

  /** Bytes that came behind the last answer. */
  more(bytes: number): void {
    this.#more = this.#dialect === undefined ? 0 : bytes;
  }

  /** Throws `differs`. */
  status(): number {
    this.#context.json.result({
      asked: this.#asked,
      differ: this.#dialect === undefined ? null : this.#differ,
    });
    if (this.#differ === 0 && this.#more === 0) return STATUS.done;
    if (this.#differ === 0) {
      throw new SockError(
        "differs",
        `${formatBytes(this.#more)} more came than ${this.#dialect?.name ?? ""} says`,
        "--trace shows them",
      );
    }
    const count = `${this.#differ} of ${this.#asked}`;
    throw new SockError(
      "differs",
      `${count} answers are not what ${this.#dialect?.name ?? ""} says`,
      "--trace shows them",
    );
  }
}

function isEqual(one: Uint8Array, other: Uint8Array | undefined): boolean {
  return other !== undefined && Buffer.compare(one, other) === 0;
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function* typed(context: Context, choice: TextChoice): AsyncGenerator<Uint8Array> {
  const encode = isTerminal(0) && choice.send !== "utf-8";
  for await (const { bytes } of lines(Bun.stdin.stream(), context.signal)) {
    // an empty line is no bytes, and no bytes have no answer
    if (bytes.length === 0) continue;
    yield encode ? encodeText(new TextDecoder().decode(bytes), choice.send) : bytes;
  }
  if (context.signal.aborted) throw context.signal.reason;
}
