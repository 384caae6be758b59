/** PROTOCOL.md against the code: no message, field, error code or limit is missing, none is stale, no figure differs. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { CODES } from "../../src/errors.ts";
import { createDigester } from "../../src/files/digest.ts";
import { CAPABILITIES } from "../../src/protocol/capabilities.ts";
import * as constants from "../../src/protocol/constants.ts";
import { encodeJoinCode } from "../../src/protocol/join-code.ts";
import { SHELLS, SIGNALS } from "../../src/protocol/exec-messages.ts";
import { ACTIONS, COMPRESS, DIGESTS, LINKS, ON_EXISTS } from "../../src/protocol/file-messages.ts";
import { type ClientMessage, type ServerMessage } from "../../src/protocol/messages.ts";
import { encodeServeSecret } from "../../src/protocol/serve-secret.ts";
import { clientSamples, serverSamples } from "../helpers/messages.ts";

// The type check makes these complete: a type that messages.ts gains or loses does not compile here.
const client: Record<ClientMessage["type"], true> = {
  hello: true,
  ping: true,
  pong: true,
  bye: true,
  error: true,
  echo: true,
  enrol: true,
  put: true,
  finish: true,
  get: true,
  ls: true,
  udp: true,
  counts: true,
  entry: true,
  data: true,
  proof: true,
  end: true,
  abort: true,
  want: true,
  from: true,
  stop: true,
  done: true,
  exec: true,
  words: true,
  in: true,
  in_end: true,
  credit: true,
  signal: true,
  terminal: true,
  attach: true,
  bytes: true,
  ack: true,
  resize: true,
  leave: true,
  terminals: true,
  chat: true,
  say: true,
};
const server: Record<ServerMessage["type"], true> = {
  hello: true,
  ping: true,
  pong: true,
  bye: true,
  error: true,
  echo: true,
  enrolled: true,
  entry: true,
  data: true,
  proof: true,
  end: true,
  abort: true,
  want: true,
  from: true,
  stop: true,
  done: true,
  ready: true,
  source: true,
  missed: true,
  result: true,
  item: true,
  begun: true,
  out: true,
  err: true,
  in_end: true,
  credit: true,
  exit: true,
  attached: true,
  bytes: true,
  ack: true,
  terminal_item: true,
  listed: true,
  over: true,
  room: true,
  said: true,
  heard: true,
  came: true,
  left: true,
  udp: true,
  counts: true,
  closing: true,
};

const document = readFileSync(resolve(import.meta.dir, "../../PROTOCOL.md"), "utf8");

/** The cells of each row of the tables in a chapter (`## TITLE` to the next one), code marks taken off the first cell. */
function rows(title: string): string[][] {
  const start = document.indexOf(`\n## ${title}\n`);
  if (start < 0) throw new Error(`PROTOCOL.md has no chapter ${title}`);
  const end = document.indexOf("\n## ", start + 1);
  const chapter = document.slice(start, end < 0 ? undefined : end);
  return chapter
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .map((line) =>
      line
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

function bare(cell: string | undefined): string {
  return (cell ?? "").replaceAll("`", "");
}

describe("messages", () => {
  const table = rows("Messages");
  const sides = [
    ["C", client, clientSamples],
    ["S", server, serverSamples],
  ] as const;

  for (const [side, types, samples] of sides) {
    const own = table.filter(([, from]) => from?.includes(side));

    test(`${side}: every type has a row, and every row a type`, () => {
      expect(new Set(own.map(([type]) => bare(type)))).toEqual(new Set(Object.keys(types)));
    });

    for (const sample of samples) {
      test(`${side}: ${JSON.stringify(sample).slice(0, 60)}: its fields are named`, () => {
        const fields = own
          .filter(([type]) => bare(type) === sample.type)
          .map((row) => row.slice(2).join(" "))
          .join(" ");
        for (const key of Object.keys(sample)) {
          if (key !== "type") expect(fields).toContain(`\`${key}\``);
        }
      });
    }
  }
});

test("every word that a field can have is named", () => {
  for (const word of [
    ...DIGESTS,
    ...ON_EXISTS,
    ...ACTIONS,
    ...LINKS,
    ...COMPRESS,
    ...CAPABILITIES,
    ...SHELLS,
    ...SIGNALS,
  ])
    expect(document).toContain(`\`${word}\``);
});

test("error codes, with the exit status of each", () => {
  const table = rows("Error codes").flatMap(([codes = "", status]) =>
    [...codes.matchAll(/`([^`]+)`/g)].map(([, code]): [string, number] => [code ?? "", Number(status)]),
  );
  expect(table.length).toBe(Object.keys(CODES).length);
  expect(Object.fromEntries(table)).toEqual(CODES);
});

describe("limits", () => {
  const table = new Map(rows("Limits").map(([name, value, unit]) => [bare(name), { value, unit }]));

  test("the table has every constant, and no other", () => {
    expect([...table.keys()].sort()).toEqual(Object.keys(constants).sort());
  });

  for (const [name, value] of Object.entries(constants)) {
    test(name, () => {
      const row = table.get(name);
      expect(bare(row?.value).replaceAll(",", "")).toBe(String(value));
      if (name.endsWith("_MS")) expect(row?.unit).toBe("ms");
      if (name.endsWith("_BYTES")) expect(row?.unit).toBe("bytes");
    });
  }
});

describe("vectors", () => {
  /** 32 bytes that count up from the first. */
  const count = (first: number): Uint8Array => Uint8Array.from({ length: 32 }, (_, index) => first + index);

  test("the two codes", () => {
    const addresses = [
      { kind: "tcp" as const, host: "web1.example.com", port: 7625 },
      { kind: "tcp" as const, host: "192.0.2.7", port: 7625 },
    ];
    const join = encodeJoinCode({ direct: true, pin: count(0), secret: count(0x20), addresses });
    expect(document).toContain(`    ${join}\n`);
    const rights = { name: "ci", caps: ["put" as const], scope: "", cidr: [], exec: [] };
    const serve = encodeServeSecret({ secret: count(0x40), client: count(0x60), expires: null, ...rights });
    expect(document).toContain(`    ${serve}\n`);
  });

  const digests = [...document.matchAll(/^\| ([\d,]+) \| ([0-9a-f]{16}) \|$/gm)];

  test("the digests", async () => {
    expect(digests.length).toBe(4);
    for (const [, length = "", expected] of digests) {
      const bytes = new Uint8Array(Number(length.replaceAll(",", "")));
      const digester = createDigester(DIGESTS[1], bytes.length);
      if (bytes.length > 0) await digester.update(bytes);
      expect(await digester.digest()).toBe(expected ?? "");
    }
  });
});
