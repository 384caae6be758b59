/** The hex in PROTOCOL.md against the real decoder: it must say what is printed beside it. */
import { expect, test } from "bun:test";
import { readFileSync, utimesSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { dialogue } from "../../scripts/vectors/dialogue.ts";
import { Destinations } from "../../src/client/destination.ts";
import { get } from "../../src/client/get.ts";
import type { Target } from "../../src/client/hosts.ts";
import { put } from "../../src/client/put.ts";
import { Session } from "../../src/client/session.ts";
import { lookAt, sourceItems } from "../../src/client/source.ts";
import { BlockPool } from "../../src/files/blocks.ts";
import { type Frame, FrameDecoder, type Header } from "../../src/protocol/frame.ts";
import { parseJoinCode } from "../../src/protocol/join-code.ts";
import { parseClientMessage, parseServerMessage } from "../../src/protocol/messages.ts";
import { unpack } from "../../src/transport/packing.ts";
import { serveHere } from "../helpers/in-process.ts";

const document = readFileSync(resolve(import.meta.dir, "../../PROTOCOL.md"), "utf8");

interface Turn {
  from: string;
  header: unknown;
  body: string | undefined;
  hex: string;
}

/** The turns of the block that begins with a client's hello and ends at its fence. */
function turnsOf(text: string): Turn[] {
  const block = /```text\n(C \{"type":"hello"[^`]*)```/.exec(text)?.[1] ?? "";
  const turns: Turn[] = [];
  for (const line of block.split("\n")) {
    const said = /^([CS]) (\{.*\})(?: \+ (".*"))?$/.exec(line);
    const last = turns.at(-1);
    if (said !== null) {
      const [, from = "", header = "", body] = said;
      turns.push({
        from,
        header: JSON.parse(header),
        body: body === undefined ? undefined : JSON.parse(body),
        hex: "",
      });
    } else if (last !== undefined && /^ {2}[0-9a-f]+$/.test(line)) last.hex += line.trim();
    else if (line !== "") throw new Error(`not a line of the dialogue: ${line}`);
  }
  return turns;
}

const turns = turnsOf(document);
/** What is not of the put and the get. */
const OUTSIDE: ReadonlySet<string> = new Set(["hello", "echo", "bye"]);

function typeOf(header: unknown): string {
  return (header as Header).type;
}

type Heard = (from: "C" | "S", header: Header, body: Uint8Array | undefined) => void;

/** Puts `a.txt` into `notes/` and gets it as `b.txt`, by the real client from the real server. */
async function converse(heard: Heard): Promise<void> {
  await using server = await serveHere(["put", "get"]);
  const [source, dest] = [server.folder.join("a.txt"), server.folder.join("b.txt")];
  writeFileSync(source, "one\ntwo\n", { mode: 0o600 });
  utimesSync(source, 1_795_225_320, 1_795_225_320);
  const target: Target = { name: "web1", ephemeral: true, ...parseJoinCode(server.join) };
  const open = async (): Promise<Session> => overheard(await Session.open(target), heard);
  const { signal } = new AbortController();
  const pool = new BlockPool();
  const common = { digest: "sha256", onExists: "replace", compress: "auto", retryMs: 0, pool } as const;
  const flags = { verify: false, sync: false, checksum: false, dry: false };
  const how = { mode: undefined, links: "keep", exclude: undefined, forbidden: [], signal } as const;
  const items = sourceItems(lookAt([source]), "notes/", how);
  await put(open, items, "notes/", { ...common, ...flags, atomic: false, direct: true });
  using places = new Destinations(dest, false, false);
  await get(
    open,
    { paths: [{ path: "notes/a.txt" }], digest: "sha256", links: "keep", compress: "auto" },
    {
      retryMs: 0,
      receiver: { ...common, ...flags, mayCompare: true, owner: undefined },
      // as somebody in that folder would name it
      place: (_source, kind) => ({ ...places.place("a.txt", kind, "a.txt"), shown: "b.txt" }),
      fresh: () => places.fresh,
      onFailed: (_source, error) => {
        throw error;
      },
    },
  );
  expect(readFileSync(dest, "utf8")).toBe("one\ntwo\n");
}

/** The session, with each frame of it told. */
function overheard(session: Session, heard: Heard): Session {
  const { channel } = session;
  const send = channel.send.bind(channel);
  const sendSoon = channel.sendSoon.bind(channel);
  const next = channel.next.bind(channel);
  channel.send = (header, body) => {
    heard("C", header, body);
    send(header, body);
  };
  channel.sendSoon = (header, body) => {
    heard("C", header, body);
    sendSoon(header, body);
  };
  channel.next = async () => {
    const frame = await next();
    heard("S", frame.header, frame.body);
    return frame;
  };
  return session;
}

test("the dialogue has an echo, a put and a get, all answered", () => {
  const types = turns.map(({ from, header }) => `${from} ${typeOf(header)}`);
  expect(types).toEqual([
    "C hello",
    "S hello",
    "C echo",
    "S echo",
    "C put",
    "C entry",
    "S ready",
    "S done",
    "C finish",
    "S result",
    "C get",
    "S source",
    "S entry",
    "C done",
    "S result",
    "C finish",
    "C bye",
  ]);
});

for (const from of ["C", "S"]) {
  const own = turns.filter((turn) => turn.from === from);
  const parse = from === "C" ? parseClientMessage : parseServerMessage;

  test(`${from}: the hex is the frames that are printed beside it`, () => {
    const decoder = new FrameDecoder();
    for (const { header, body, hex } of own) {
      const frames: Frame[] = [];
      decoder.push(Uint8Array.fromHex(hex), (frame) => frames.push(frame));
      decoder.open();
      expect(decoder.midFrame).toBe(false);
      expect(frames.map((frame) => frame.header)).toEqual([header as Frame["header"]]);
      const [frame] = frames;
      expect(frame?.body === undefined ? undefined : new TextDecoder().decode(frame.body)).toBe(body);
      expect<unknown>(frame === undefined ? undefined : parse(frame.header)).toEqual(header);
    }
  });
}

test("the digest is the body's", () => {
  const content = turns.find(({ header }) => typeOf(header) === "entry")?.body ?? "";
  const sha256 = new Bun.CryptoHasher("sha256").update(content).digest("hex");
  const digests = turns.map(({ header }) => (header as { digest?: string; type: string }).digest);
  expect(digests.filter((digest) => digest?.length === 64)).toEqual([sha256, sha256, sha256, sha256]);
});

test("the put and the get are what client and server say to each other", async () => {
  const said: Record<string, { header: Header; body: string | undefined }[]> = { C: [], S: [] };
  await converse((from, header, bytes) => {
    if (OUTSIDE.has(header.type)) return;
    const body = bytes === undefined ? undefined : new TextDecoder().decode(bytes);
    said[from]?.push({ header: body === undefined ? header : { ...header, size: body.length }, body });
  });
  for (const side of ["C", "S"]) {
    const printed = turns.filter(({ from, header }) => from === side && !OUTSIDE.has(typeOf(header)));
    // as text: the order of the keys too
    expect(said[side]?.map(({ header, body }) => JSON.stringify([header, body]))).toEqual(
      printed.map(({ header, body }) => JSON.stringify([header, body])),
    );
  }
});

test("the packed frame holds the echo three times", () => {
  const [, said = "", hex = ""] = /```text\nC (\{"type":"packed".*\})\n([^`]*)```/.exec(document) ?? [];
  const echo = turns.find(({ header }) => typeOf(header) === "echo");
  const frames: Frame[] = [];
  const decoder = new FrameDecoder({ inside: true });
  decoder.push(Uint8Array.fromHex(hex.replace(/\s/g, "")), (frame) => frames.push(frame));
  expect(decoder.midFrame).toBe(false);
  expect(frames.map(({ header }) => JSON.stringify(header))).toEqual([said]);
  const [{ header, body } = { header: undefined, body: undefined }] = frames;
  const bytes = unpack(body ?? new Uint8Array(0), Number(header?.["raw"]));
  expect(Buffer.from(bytes).toString("hex")).toBe((echo?.hex ?? "").repeat(3));
});

test("the block is what scripts/vectors/dialogue.ts prints", () => {
  expect(document).toContain(`\`\`\`text\n${dialogue()}\`\`\`\n`);
});
