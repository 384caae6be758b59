/**
 * The sending side of files, the same for a `put` (the client) and a `get` (the server). Entries go out without waiting for
 * answers, ENTRIES_IN_FLIGHT at most; a file whose bytes may be there already is offered first. What is remembered is the
 * entries without an answer, so that they can be sent again over another connection.
 */
import { asSockError, type ErrorCode, SockError } from "../errors.ts";
import { DigestBatch } from "../files/digest-batch.ts";
import { showPath, splitBytes } from "../files/names.ts";
import { besideName } from "../files/publish.ts";
import { Slice } from "../files/slice.ts";
import { ENTRIES_IN_FLIGHT, SMALL_FILE_BYTES } from "../protocol/constants.ts";
import type { Done, ReceiverMessage, WirePath } from "../protocol/file-messages.ts";
import type { Item } from "./items.ts";
import { checkDone } from "./done.ts";
import { type Counts, count, type Outcome } from "./outcome.ts";
import { type Node, type Pending, type SenderOptions, sourceOf } from "./pending.ts";
import { offerSmall, readAsSeen, readAtRest, sendLarge, sendSmall } from "./send-file.ts";
import type { Wire } from "./wire.ts";

/** To an entry that we give up: what was on its way, and the answer to that. */
const LATE_ANSWERS = 3;

export class Sender {
  readonly counts: Counts = { files: 0, bytes: 0, skipped: 0, failed: 0 };
  readonly options: SenderOptions;
  readonly digests: DigestBatch;
  readonly #items: AsyncIterator<Item>;
  readonly #pending = new Map<number, Pending>();
  /** Entries that are to be sent now: wanted ones, and folders after all that is in them. */
  #queue: Pending[] = [];
  #node: Node | undefined;
  #exhausted = false;
  /** Nothing more is asked for until all is answered. */
  #draining = false;
  #last = 0;
  #progress = 0;
  #wake: (() => void) | undefined;
  /** Answers that may still come to what we gave up. */
  #late = 0;
  readonly #slice = new Slice();

  constructor(items: AsyncIterable<Item>, options: SenderOptions) {
    this.#items = items[Symbol.asyncIterator]();
    this.options = options;
    this.digests = new DigestBatch(options.digest);
  }

  /**
   * Sends until everything has its answer. With `fresh` nothing is offered. After a failure of the wire it may be called
   * again with another one, and goes on. Throws the wire's failure, and `protocol`.
   */
  async run(wire: Wire, fresh: boolean): Promise<void> {
    this.#queue = [];
    for (const pending of this.#pending.values()) {
      // what was on its way may have arrived, or not
      pending.again = true;
      pending.sent = undefined;
      pending.offered = false;
      pending.have = 0;
      pending.compared = false;
      if (pending.item.kind === "stream")
        throw new SockError("lost", "the connection broke", "send it again");
      this.#begin(wire, pending, false);
    }
    for (;;) {
      if (wire.failure !== undefined) throw wire.failure;
      const queued = this.#queue.shift();
      if (queued !== undefined) await this.#send(wire, queued);
      else if (this.#mayGoOn()) await this.#next(wire, fresh);
      else if (this.#pending.size === 0) return;
      else await this.#answer();
      const wait = wire.congested ? wire.ready() : this.#slice.over();
      if (wait !== undefined) await wait;
    }
  }

  #mayGoOn(): boolean {
    if (this.#exhausted) return false;
    return this.#pending.size < (this.#draining ? 1 : ENTRIES_IN_FLIGHT);
  }

  /** Grows with what was not done before on any connection: the same bytes again are no progress. */
  get progress(): number {
    return this.#progress;
  }

  /** Bytes that went out of what has no answer yet. */
  get underWay(): number {
    return [...this.#pending.values()].reduce((bytes, { reached }) => bytes + reached, 0);
  }

  /** Nothing more is sent; to be called when it is over, however. */
  async close(): Promise<void> {
    await this.#items.return?.(undefined);
  }

  /** What the receiver says. Throws `protocol` for what it can't say now. */
  take(message: ReceiverMessage): void {
    const pending = this.#pending.get(message.entry);
    if (pending === undefined) {
      // given up by us, which the receiver did not know yet
      if (message.entry < this.#last && this.#late > 0) {
        this.#late -= 1;
        return;
      }
      throw new SockError("protocol", "an answer to nothing that was sent");
    }
    switch (message.type) {
      case "want":
        this.#wanted(pending, message.have);
        break;
      case "from":
        if (pending.have === 0 || pending.from !== undefined || message.at > pending.have)
          throw new SockError("protocol", "more is proved than is there");
        pending.from = message.at;
        this.#advanced(message.at - pending.proved);
        pending.proved = Math.max(pending.proved, message.at);
        break;
      case "stop":
        this.#settle(
          pending,
          failedOutcome(pending, new SockError(message.code, message.message, message.hint)),
        );
        break;
      case "done":
        checkDone(message, pending, this.options);
        this.#settle(pending, doneOutcome(pending, message));
        break;
      default:
        throw new SockError(
          "protocol",
          `an answer of an unknown kind ${JSON.stringify(message satisfies never)}`,
        );
    }
    this.wake();
  }

  /** Everything was sent and has its answer. */
  get finished(): boolean {
    return this.#exhausted && this.#pending.size === 0;
  }

  /** Lets the sending side look again: something was answered, or the wire has failed. */
  wake(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  /** Resolves when something was answered or the wire failed. */
  async #answer(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }

  /** Waits until `answered`, or the receiver said how much it has. */
  async proved(wire: Wire, pending: Pending): Promise<number> {
    while (pending.from === undefined && !pending.answered) {
      if (wire.failure !== undefined) throw wire.failure;
      await this.#answer();
    }
    return pending.from ?? 0;
  }

  async #next(wire: Wire, fresh: boolean): Promise<void> {
    this.#draining = false;
    const { value: item, done } = await this.#items.next();
    if (done === true) {
      this.#exhausted = true;
      return;
    }
    switch (item.kind) {
      case "enter":
        this.#node = { parent: this.#node, item, open: 0, left: false };
        if (this.#node.parent !== undefined) this.#node.parent.open += 1;
        return;
      case "leave":
        this.#leave();
        return;
      case "drain":
        this.#draining = true;
        return;
      case "failed":
      case "passed": {
        const action = item.kind === "failed" ? "failed" : "skipped";
        if (item.at !== undefined) this.options.onMissed?.(item.at, item.error, item.kind === "passed");
        this.#tell({
          kind: "file",
          shown: item.shown,
          bytes: 0,
          digest: "",
          action,
          error: item.error,
          ms: 0,
        });
        return;
      }
      case "source":
        sendSource(wire, item.source, item.is);
        return;
      default: {
        const pending = this.#add(item, this.#node);
        if (this.#node !== undefined) this.#node.open += 1;
        if (fresh && item.kind !== "link") await this.#send(wire, pending);
        else this.#begin(wire, pending, fresh);
      }
    }
  }

  #add(item: Pending["item"], node: Node | undefined): Pending {
    const pending: Pending = {
      id: this.#last++,
      item,
      node,
      started: performance.now(),
      offered: false,
      have: 0,
      sent: undefined,
      answered: false,
      named: false,
      again: false,
      compared: false,
      from: undefined,
      proved: 0,
      reached: 0,
    };
    this.#pending.set(pending.id, pending);
    return pending;
  }

  #leave(): void {
    const node = this.#node;
    if (node === undefined) throw new SockError("internal", "more folders ended than began");
    node.left = true;
    this.#node = node.parent;
    this.#folderDone(node);
  }

  /** A folder goes out when all in it has its answer: its mode may forbid to change anything there. */
  #folderDone(node: Node): void {
    if (!node.left || node.open > 0) return;
    if (node.item.silent) this.#closed(node.parent);
    else this.#queue.push(this.#add(node.item, node.parent));
  }

  #closed(node: Node | undefined): void {
    if (node === undefined) return;
    node.open -= 1;
    this.#folderDone(node);
  }

  /** Sends the entry itself: an offer where it is a file. */
  #begin(wire: Wire, pending: Pending, fresh: boolean): void {
    const { item, id: entry } = pending;
    if (item.kind === "stream") {
      this.#queue.push(pending);
      return;
    }
    pending.named = !fresh || item.kind !== "file";
    const base = { type: "entry", entry, ...item.path, ...sourceOf(item) };
    if (item.kind === "enter") {
      wire.sendSoon({ ...base, kind: "folder", mtime: item.mtimeUs, mode: item.mode });
    } else if (item.kind === "link") {
      wire.sendSoon({ ...base, kind: "link", ...item.target, mtime: item.mtimeUs, mode: null });
    } else if (fresh) {
      this.#queue.push(pending);
    } else {
      pending.offered = true;
      const { length, mtimeUs: mtime, mode } = item;
      const again = pending.again ? { again: true } : {};
      wire.sendSoon({ ...base, kind: "file", length, mtime, mode, offer: true, ...again });
    }
  }

  async #send(wire: Wire, pending: Pending): Promise<void> {
    const { item } = pending;
    if (pending.answered) return;
    if (item.kind === "enter" || item.kind === "link") {
      this.#begin(wire, pending, false);
      return;
    }
    try {
      let bytes = 0;
      if (item.kind === "file" && item.length <= SMALL_FILE_BYTES) {
        const whole = readAsSeen(item) ?? (await readAtRest(item));
        if (pending.answered) return;
        if (pending.have > 0 && !pending.compared) offerSmall(wire, this, pending, item, whole);
        else {
          sendSmall(wire, this, pending, item, whole);
          bytes = whole.bytes.length;
        }
      } else {
        // small ones that are still hashed would come in the middle of it
        await this.digests.all();
        await sendLarge(wire, this, pending, item);
      }
      if (this.digests.full) await this.digests.some();
      const wait = bytes === 0 ? undefined : this.options.pace?.took(bytes, () => wire.failure !== undefined);
      if (wait !== undefined) await wait;
    } catch (thrown) {
      if (wire.failure !== undefined) throw wire.failure;
      this.#giveUp(wire, pending, asSockError(thrown));
    }
  }

  /** Our own failure: the receiver is told, and its answer, if it has one, is not waited for. */
  #giveUp(wire: Wire, pending: Pending, error: SockError): void {
    if (pending.answered) return;
    const code: ErrorCode = error.code;
    this.#late += LATE_ANSWERS;
    wire.sendSoon({ type: "abort", entry: pending.id, code });
    const { source, path } = pending.item;
    if (!pending.named && source !== undefined) this.options.onMissed?.({ source, path }, error, false);
    this.#settle(pending, failedOutcome(pending, error));
  }

  #wanted(pending: Pending, have: number): void {
    const { item } = pending;
    if (item.kind !== "file" || !pending.offered || have > item.length) {
      throw new SockError("protocol", "the receiver wants what was not offered");
    }
    pending.offered = false;
    pending.have = have;
    this.#queue.push(pending);
  }

  #settle(pending: Pending, outcome: Outcome): void {
    pending.answered = true;
    this.#pending.delete(pending.id);
    this.#tell(outcome);
    this.#closed(pending.node);
  }

  /** So many bytes of the file went out; to be told of as they go. */
  reached(pending: Pending, bytes: number): void {
    this.#advanced(bytes - pending.reached);
    pending.reached = Math.max(pending.reached, bytes);
  }

  #advanced(by: number): void {
    if (by > 0) this.#progress += by;
  }

  #tell(outcome: Outcome): void {
    this.#progress += 1;
    count(this.counts, outcome);
    this.options.onOutcome?.(outcome);
  }
}

function sendSource(wire: Wire, source: number, is: "file" | "folder" | SockError): void {
  if (!(is instanceof SockError)) {
    wire.sendSoon({ type: "source", source, kind: is });
    return;
  }
  const { code, message, hint } = is;
  wire.sendSoon({
    type: "source",
    source,
    kind: "failed",
    code,
    message,
    ...(hint === undefined ? {} : { hint }),
  });
}

function kindOf(pending: Pending): Outcome["kind"] {
  const { kind } = pending.item;
  return kind === "enter" ? "folder" : kind === "link" ? "link" : "file";
}

function failedOutcome(pending: Pending, error: SockError): Outcome {
  const ms = performance.now() - pending.started;
  const { shown } = pending.item;
  return { kind: kindOf(pending), shown, bytes: 0, digest: "", action: "failed", error, ms };
}

/** The receiver tells where it is as text: names of ours that are not UTF-8 are put back into it. */
function exactly(told: string, own: WirePath): string {
  if ("path" in own) return told;
  const names = splitBytes(Buffer.from(own.path64, "base64"));
  const count = /\.new(\d*)$/.exec(told)?.[1];
  const last = names.at(-1) ?? "";
  const renamed = count === undefined ? [] : [besideName(last, Number(count || 1))];
  for (const name of [last, ...renamed]) {
    const shown = showPath([...names.slice(0, -1), name]);
    if (told.endsWith(shown.toWellFormed())) return told.slice(0, -shown.length) + shown;
  }
  return told;
}

function doneOutcome(pending: Pending, { action, bytes, digest, path }: Done): Outcome {
  const ms = performance.now() - pending.started;
  const shown = path === "" ? pending.item.shown : exactly(path, pending.item.path);
  return { kind: kindOf(pending), shown, bytes, digest, action, ms };
}
