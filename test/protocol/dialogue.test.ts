/** The hex in PROTOCOL.md against the real decoder: it must say what is printed beside it. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { dialogue } from "../../scripts/vectors/dialogue.ts";
import { type Frame, FrameDecoder } from "../../src/protocol/frame.ts";
import { parseClientMessage, parseServerMessage } from "../../src/protocol/messages.ts";

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

test("the dialogue has an echo and a put, both answered", () => {
  const types = turns.map(({ from, header }) => `${from} ${(header as { type: string }).type}`);
  expect(types).toEqual([
    "C hello",
    "S hello",
    "C echo",
    "S echo",
    "C put",
    "C entry",
    "C data",
    "C end",
    "C finish",
    "S done",
    "S result",
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
  const content = turns.find(({ header }) => (header as { type: string }).type === "data")?.body ?? "";
  const sha256 = new Bun.CryptoHasher("sha256").update(content).digest("hex");
  for (const { header } of turns) {
    const { type, digest } = header as { type: string; digest?: string };
    if (type === "end" || type === "done") expect(digest).toBe(sha256);
  }
});

test("the block is what scripts/vectors/dialogue.ts prints", () => {
  expect(document).toContain(`\`\`\`text\n${dialogue()}\`\`\`\n`);
});
