/**
 * `post-pipe`, over TCP:
 *
 *     client   post|NAME|SIZE, and at once SIZE bytes, often in the same segment
 *     server   nothing
 *
 * SIZE ends at the first byte that is no digit, or at the end of the first segment. Data that begins with digits and
 * sticks to SIZE makes it look longer; when the peer then ends early, the beginning of the digits that fits is taken.
 */
import { SockError } from "../errors.ts";
import { nameBytes, showPath } from "../files/names.ts";
import { MAX_REQUEST_BYTES, REQUEST_PAUSE_MS } from "./limits.ts";
import type { FileDialect, PlainHost } from "./dialect.ts";
import { type Peer, QUIET } from "./peer.ts";
import { lastPart, Taking } from "./stored.ts";

/** Most digits of a size that can be: 2^53 has 16. */
const MAX_SIZE_DIGITS = 16;

export const postPipe: FileDialect = {
  kind: "files",
  name: "post-pipe",
  drawn: ["client   post|NAME|SIZE and at once SIZE bytes", "server   nothing"],
  async answer(peer, host) {
    for (let more = true; more;) more = await takeOne(peer, host);
  },
  refusal: () => [],
  async put(peer, name, length, send) {
    if (name.includes(PIPE)) {
      throw new SockError(
        "usage",
        "post-pipe has no way to say a name with | in it",
        "ADDR/NAME: another name there",
      );
    }
    await peer.write(Buffer.concat([Buffer.from("post|"), name, Buffer.from(`|${length}`)]));
    // data that begins with a digit must not stick to the size
    await peer.flush();
    await Bun.sleep(REQUEST_PAUSE_MS);
    await send();
  },
  get: undefined,
};

interface Head {
  readonly name: Uint8Array;
  /** Digits that lead the data, as far as SIZE may be shorter than they are. */
  readonly digits: string;
}

/** False at the end. */
async function takeOne(peer: Peer, host: PlainHost): Promise<boolean> {
  const head = await readHead(peer);
  if (head === undefined) return false;
  if (host.root === undefined) throw new SockError("policy", "no folder is served");
  const name = lastPart(head.name);
  let taking: Taking | undefined;
  let shown = showPath([name]);
  let outcome = "lost";
  try {
    taking = new Taking(host.root, [name], host.onExists, null);
    await takeBytes(peer, taking, head.digits);
    const placed = await taking.publish();
    shown = showPath(placed.path);
    outcome = placed.action;
    return true;
  } catch (thrown) {
    outcome = thrown instanceof SockError ? thrown.code : "internal";
    taking?.discard();
    throw thrown;
  } finally {
    host.report(peer, `post ${shown}`, taking?.bytes ?? 0, outcome);
  }
}

async function takeBytes(peer: Peer, taking: Taking, digits: string): Promise<void> {
  const size = Number(digits);
  while (taking.bytes < size) {
    const piece = await peer.upTo(size - taking.bytes);
    if (piece === undefined) {
      const missed = stuckDigits(digits, taking.bytes);
      if (missed !== undefined) return taking.lead(Buffer.from(missed));
      throw new SockError("cut", `the peer has ended after ${taking.bytes} of ${size} bytes`);
    }
    await taking.write(piece);
  }
}

/** The digits that were data, where so many bytes in all fit a shorter size; undefined where none fits. */
export function stuckDigits(digits: string, bytes: number): string | undefined {
  for (let end = Math.min(digits.length - 1, MAX_SIZE_DIGITS); end > 0; end--) {
    if (Number(digits.slice(0, end)) === digits.length - end + bytes) return digits.slice(end);
  }
  return undefined;
}

const PIPE = 0x7c;
const HEAD = /^post\|([^|]*)\|(\d+)/;

/** The head of the next file; what has come behind it is unread again. Throws `protocol`. */
async function readHead(peer: Peer): Promise<Head | undefined> {
  const first = await peer.read();
  if (first === undefined) return undefined;
  let bytes: Uint8Array = first;
  for (;;) {
    const text = Buffer.from(bytes.subarray(0, MAX_REQUEST_BYTES)).toString("latin1");
    const match = HEAD.exec(text);
    const whole = match?.[0].length ?? 0;
    // SIZE ends where a byte follows that is no digit, or a whole head was one segment of its own
    const ended = match !== null && (whole < text.length || bytes === first);
    const next = ended ? QUIET : await nextOf(peer, match !== null);
    if (next instanceof Uint8Array) {
      bytes = Buffer.concat([bytes, next]);
      if (bytes.length > MAX_REQUEST_BYTES && HEAD.exec(text) === null) throw noHead(text);
      if (!"post|".startsWith(text.slice(0, 5))) throw noHead(text);
      continue;
    }
    if (match === null) throw noHead(text);
    peer.unread(bytes.subarray(whole));
    const name = Buffer.from(match[1] ?? "", "latin1");
    return { name: nameBytes(name), digits: match[2] ?? "" };
  }
}

/** While the digits may go on, only for a moment. */
async function nextOf(peer: Peer, complete: boolean): Promise<Uint8Array | undefined | typeof QUIET> {
  return complete ? peer.readWithin(REQUEST_PAUSE_MS) : peer.read();
}

function noHead(text: string): SockError {
  return new SockError(
    "protocol",
    `the peer begins with ${JSON.stringify(text.slice(0, 40))}, not with post|`,
  );
}
