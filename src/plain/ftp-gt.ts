/**
 * `ftp-gt`, over TCP:
 *
 *     client   put>NAME>SIZE             client   get>NAME>2
 *     server   ok                        server   yes:SIZE, or no
 *     client   SIZE bytes                client   ok
 *                                        server   SIZE bytes
 *
 * NAME may hold `>`: SIZE is what follows the last one. Nothing ends a request, but its sender waits for the answer.
 */
import { SockError } from "../errors.ts";
import { nameOf, nameBytes, showPath, splitBytes, wireSegments } from "../files/names.ts";
import { REQUEST_PAUSE_MS } from "./limits.ts";
import { type FileDialect, type PlainHost } from "./dialect.ts";
import { counted } from "./exec-length.ts";
import type { Peer } from "./peer.ts";
import { openStored, sendFile, Taking } from "./stored.ts";

interface Request {
  readonly verb: "put" | "get";
  readonly name: Uint8Array;
  readonly size: number;
}

/** Longest `yes:SIZE`, with the end of its line, bytes. */
const MAX_YES = 64;

const encoder = new TextEncoder();
const OK = encoder.encode("ok");
const NO = encoder.encode("no");

export const ftpGt: FileDialect = {
  kind: "files",
  name: "ftp-gt",
  drawn: [
    "client   put>NAME>SIZE          client   get>NAME>2",
    "server   ok                     server   yes:SIZE, or no",
    "client   SIZE bytes             client   ok",
    "                                server   SIZE bytes",
  ],
  async answer(peer, host) {
    for (;;) {
      const bytes = await peer.request(REQUEST_PAUSE_MS);
      if (bytes === undefined) return;
      const request = parseRequest(bytes);
      if (request === undefined) {
        host.report(peer, "no request", bytes.length, "protocol");
        await peer.write(NO);
      } else if (request.verb === "put") await take(peer, host, request);
      else await give(peer, host, request);
    }
  },
  refusal: () => [NO],
  async put(peer, name, length, send) {
    await peer.write(Buffer.concat([encoder.encode("put>"), name, encoder.encode(`>${length}`)]));
    await expectWord(peer, "ok", "policy", "the peer takes no such file");
    await send();
  },
  async get(peer, name) {
    await peer.write(Buffer.concat([encoder.encode("get>"), name, encoder.encode(">2")]));
    const length = await readYes(peer);
    await peer.write(OK);
    return { length, pieces: counted(peer, length) };
  },
};

/** Undefined for what is none. */
export function parseRequest(bytes: Uint8Array): Request | undefined {
  // one character a byte, so that names in any encoding stay what they are
  const text = Buffer.from(bytes).toString("latin1");
  const match = /^(put|get)>(.+)>(\d{1,16})\s*$/s.exec(text);
  const size = Number(match?.[3]);
  if (match === null || !Number.isSafeInteger(size)) return undefined;
  const verb = match[1] === "put" ? "put" : "get";
  return { verb, name: Buffer.from(match[2] ?? "", "latin1"), size };
}

async function take(peer: Peer, host: PlainHost, { name, size }: Request): Promise<void> {
  let taking: Taking | undefined;
  let outcome = "lost";
  let shown = shownName(name);
  try {
    if (host.root === undefined) throw new SockError("policy", "no folder is served");
    taking = new Taking(host.root, segmentsOf(name), host.onExists, size);
    await peer.write(OK);
    for await (const piece of counted(peer, size)) await taking.write(piece);
    const placed = await taking.publish();
    shown = showPath(placed.path);
    outcome = placed.action;
  } catch (thrown) {
    outcome = thrown instanceof SockError ? thrown.code : "internal";
    taking?.discard();
    // one that was not told "ok" sends no bytes
    if (taking !== undefined || outcome === "lost") throw thrown;
    await peer.write(NO);
  } finally {
    host.report(peer, `put ${shown}`, taking?.bytes ?? 0, outcome);
  }
}

async function give(peer: Peer, host: PlainHost, { name }: Request): Promise<void> {
  let bytes = 0;
  let outcome = "lost";
  try {
    if (host.root === undefined) throw new SockError("policy", "no folder is served");
    const file = openStored(host.root, segmentsOf(name));
    try {
      await peer.write(encoder.encode(`yes:${file.length}`));
      await expectWord(peer, "ok", "protocol", "the peer did not want it");
      await sendFile(peer, file, (block) => (bytes += block.length));
      outcome = "done";
    } catch (thrown) {
      throw new SockError("lost", "the transfer broke", undefined, { cause: thrown });
    } finally {
      file.close();
    }
  } catch (thrown) {
    outcome = thrown instanceof SockError ? thrown.code : "internal";
    if (outcome === "lost") throw thrown;
    await peer.write(NO);
  } finally {
    host.report(peer, `get ${shownName(name)}`, bytes, outcome);
  }
}

function segmentsOf(name: Uint8Array): ReturnType<typeof wireSegments> {
  const whole = nameOf(name);
  return wireSegments(typeof whole === "string" ? whole : nameBytes(whole));
}

function shownName(name: Uint8Array): string {
  return showPath(splitBytes(name));
}

/** Waits for a word, in as many pieces as it takes. What else comes is the failure. */
async function expectWord(peer: Peer, word: string, code: "policy" | "protocol", why: string): Promise<void> {
  let got = "";
  while (got.length < word.length) {
    const piece = await peer.upTo(word.length - got.length);
    if (piece === undefined) throw new SockError("cut", `the peer has ended before its ${word}`);
    got += Buffer.from(piece).toString("latin1");
    if (!word.startsWith(got) && !"no".startsWith(got)) {
      throw new SockError(
        "protocol",
        `the peer answers ${JSON.stringify(got)} for ${word}`,
        "another --dialect?",
      );
    }
  }
  if (got !== word) throw new SockError(code, why);
}

/** The size in `yes:SIZE`. Throws `not-found` for `no`. */
async function readYes(peer: Peer): Promise<number> {
  let got = "";
  for (;;) {
    const yes = /^yes:(\d{1,16})\s*$/.exec(got);
    // more digits may come, or the end of its line
    const piece = yes === null ? await peer.read() : await peer.readWithin(REQUEST_PAUSE_MS);
    const length = Number(yes?.[1]);
    if (!(piece instanceof Uint8Array) && Number.isSafeInteger(length)) return length;
    if (piece === undefined) throw new SockError("cut", "the peer has ended before its answer");
    if (piece instanceof Uint8Array) got += Buffer.from(piece).toString("latin1");
    if (got.startsWith("no")) throw new SockError("not-found", "the peer has no such file");
    const begun = /^yes:\d{0,16}\s*$/.test(got) || "yes:".startsWith(got) || got === "n";
    if (!begun || got.length > MAX_YES || !(piece instanceof Uint8Array)) {
      throw new SockError(
        "protocol",
        `the peer answers ${JSON.stringify(got.slice(0, 40))} for yes:SIZE`,
        "another --dialect?",
      );
    }
  }
}
