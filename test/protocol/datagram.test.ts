import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { crc32 } from "../../src/protocol/crc32.ts";
import {
  DatagramView,
  datagramType,
  newProbe,
  payloadOf,
  PROBE,
  REPLY,
} from "../../src/protocol/datagram.ts";
import { ProbeKey } from "../../src/transport/probe-key.ts";

const KEY = new ProbeKey(new Uint8Array(32).fill(0x42));
const COOKIE = Uint8Array.from({ length: 16 }, (_, index) => index);

function probe(): Uint8Array<ArrayBuffer> {
  const bytes = newProbe(COOKIE, 68);
  payloadOf(bytes).set(new TextEncoder().encode("sock"));
  new DatagramView(bytes).probe(1, 1e9, crc32(payloadOf(bytes)));
  KEY.sign(bytes);
  return bytes;
}

test("the vectors of PROTOCOL.md", () => {
  const document = readFileSync(resolve(import.meta.dir, "../../PROTOCOL.md"), "utf8");
  const vector = (name: string): string | undefined => {
    const found = new RegExp(`^ {4}${name} {2}([0-9a-f]+)\\n +([0-9a-f]+)$`, "m").exec(document);
    return found === null ? undefined : `${found[1]}${found[2]}`;
  };
  const bytes = probe();
  expect(bytes.toHex()).toBe(vector("probe") ?? "");
  new DatagramView(bytes).reply(0, 5000);
  KEY.sign(bytes);
  expect(bytes.toHex()).toBe(vector("reply") ?? "");
});

test("fields come back, also where they are at their ends", () => {
  const bytes = probe();
  const view = new DatagramView(bytes);
  for (const number of [0, 1, 2 ** 16, 99_999_999, 100_000_000]) {
    view.probe(number, number * 1e6, 0xffff_ffff);
    expect([view.number, view.sent, view.crc]).toEqual([number, number * 1e6, 0xffff_ffff]);
  }
  view.probe(2 ** 53 - 1, 0, 0);
  expect(view.number).toBe(Number.POSITIVE_INFINITY);
  view.reply(2 ** 32 + 5, 2 ** 40);
  expect([view.replyNumber, view.held]).toEqual([5, 2 ** 32 - 1]);
});

test("only whole headers with magic, version and a known type are datagrams", () => {
  const bytes = probe();
  expect(datagramType(bytes)).toBe(PROBE);
  new DatagramView(bytes).reply(0, 0);
  expect(datagramType(bytes)).toBe(REPLY);
  for (let length = 0; length < 64; length++) expect(datagramType(bytes.subarray(0, length))).toBe(0);
  for (let bit = 0; bit < 32; bit++) {
    const other = bytes.slice();
    other[bit >> 3]! ^= 1 << (bit & 7);
    expect(datagramType(other)).toBe(0);
  }
});

test("each bit of a header is signed", () => {
  const bytes = probe();
  expect(KEY.verify(bytes)).toBe(true);
  for (let bit = 0; bit < 8 * 64; bit++) {
    const other = bytes.slice();
    other[bit >> 3]! ^= 1 << (bit & 7);
    expect(KEY.verify(other)).toBe(false);
  }
  expect(new ProbeKey(new Uint8Array(32)).verify(bytes)).toBe(false);
});
