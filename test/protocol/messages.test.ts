import { describe, expect, test } from "bun:test";
import { SockError } from "../../src/errors.ts";
import { MAX_BODY_BYTES, MAX_ERROR_TEXT, MAX_PATH_BYTES } from "../../src/protocol/constants.ts";
import { encodeHeader, type Header, type Json } from "../../src/protocol/frame.ts";
import { parseHeader, requireHeader } from "../../src/protocol/json.ts";
import { parseClientMessage, parseServerMessage } from "../../src/protocol/messages.ts";
import { clientSamples, serverSamples } from "../helpers/messages.ts";

type Parse = (header: Header) => object;
const sides: [string, Parse, readonly Header[]][] = [
  ["client", parseClientMessage, clientSamples],
  ["server", parseServerMessage, serverSamples],
];

function code(action: () => unknown): string {
  try {
    action();
  } catch (thrown) {
    if (thrown instanceof SockError) return thrown.code;
    throw thrown;
  }
  return "none";
}

/** A sample of that type (the first), with some fields set, or taken out where the value is undefined. */
function changed(
  type: string,
  fields: { readonly [key: string]: Json | undefined },
  side: readonly Header[] = clientSamples,
): Header {
  const sample = side.find((each) => each.type === type);
  if (sample === undefined) throw new Error(`no sample of ${type}`);
  const entries = Object.entries({ ...sample, ...fields }).filter(([, value]) => value !== undefined);
  return requireHeader(Object.fromEntries(entries));
}

function without(header: Header, key: string): { readonly [key: string]: Json } {
  return Object.fromEntries(Object.entries(header).filter(([other]) => other !== key));
}

function codeOfLimits(limits: Json): string {
  return code(() => parseServerMessage(changed("hello", { limits }, serverSamples)));
}

for (const [side, parse, samples] of sides) {
  describe(`messages of a ${side}`, () => {
    for (const sample of samples) {
      const name = JSON.stringify(sample).slice(0, 70);

      test(`${name}: read as it is, also off the wire, without unknown keys`, () => {
        expect<object>(parse(sample)).toEqual(sample);
        const header = parseHeader(encodeHeader(sample).subarray(4));
        expect<object>(parse({ ...header, future: [1], constructor: null })).toEqual(sample);
      });

      test(`${name}: each key of another type is refused`, () => {
        for (const key of Object.keys(sample)) {
          const wrongs: Json[] =
            typeof sample[key] === "object" && sample[key] !== null ? ["x", 1, null] : [{}, [], [1]];
          for (const wrong of wrongs) expect(code(() => parse({ ...sample, [key]: wrong }))).toBe("protocol");
        }
      });

      test(`${name}: each required key is required`, () => {
        const optional = new Set([
          "hint",
          "verify",
          "sync",
          "recursive",
          "self",
          "error",
          "target",
          "target64",
        ]);
        for (const key of Object.keys(sample)) {
          const rest = { ...without(sample, key), type: key === "type" ? "" : sample.type };
          expect(code(() => parse(rest))).toBe(optional.has(key) ? "none" : "protocol");
        }
      });
    }

    test("unknown types end it, also those that every object has", () => {
      for (const type of ["nonsense", "constructor", "toString", "__proto__", "hasOwnProperty", ""]) {
        expect(code(() => parse({ type }))).toBe("protocol");
      }
    });
  });
}

test("neither side's own messages are taken from the other", () => {
  for (const type of ["enrolled", "result", "item", "closing"]) {
    expect(code(() => parseClientMessage(changed(type, {}, serverSamples)))).toBe("protocol");
  }
  for (const type of ["enrol", "put", "get", "ls", "finish"]) {
    expect(code(() => parseServerMessage(changed(type, {})))).toBe("protocol");
  }
});

describe("ranges", () => {
  const word = "w".repeat(64);
  const cases: [string, { readonly [key: string]: Json | undefined }, "none" | "protocol"][] = [
    ["ping", { n: -1 }, "protocol"],
    ["ping", { n: 1.5 }, "protocol"],
    ["ping", { n: Number.MAX_SAFE_INTEGER }, "none"],
    ["hello", { min: 0 }, "protocol"],
    ["hello", { min: 3, max: 2 }, "protocol"],
    ["hello", { min: 2, max: 2 }, "none"],
    ["hello", { features: Array.from({ length: 64 }, () => word) }, "none"],
    ["hello", { features: Array.from({ length: 65 }, () => "f") }, "protocol"],
    ["hello", { features: [`${word}w`] }, "protocol"],
    ["hello", { run: "0".repeat(31) }, "protocol"],
    ["hello", { run: "0".repeat(33) }, "protocol"],
    ["hello", { run: "A".repeat(32) }, "protocol"],
    ["hello", { run: `${"0".repeat(31)}\n` }, "protocol"],
    ["echo", { size: MAX_BODY_BYTES }, "none"],
    ["echo", { size: MAX_BODY_BYTES + 1 }, "protocol"],
    ["enrol", { spki: "" }, "protocol"],
    ["enrol", { spki: "AA" }, "protocol"], // not padded
    ["enrol", { spki: "AB==" }, "protocol"], // spare bits
    ["enrol", { spki: "AA ==" }, "protocol"],
    ["enrol", { spki: "_-8=" }, "protocol"], // another alphabet
    ["enrol", { spki: "A".repeat(256) }, "none"],
    ["enrol", { spki: "A".repeat(260) }, "protocol"],
    ["enrol", { name: `${word}w` }, "protocol"],
    ["put", { to: "a".repeat(MAX_PATH_BYTES) }, "none"],
    ["put", { to: "a".repeat(MAX_PATH_BYTES + 1) }, "protocol"],
    ["put", { to: "你".repeat(1365) }, "none"], // 4095 bytes
    ["put", { to: "你".repeat(1366) }, "protocol"],
    ["put", { digest: "md5" }, "protocol"],
    ["put", { on_exists: "REPLACE" }, "protocol"],
    ["put", { verify: null }, "protocol"],
    ["entry", { kind: "folder" }, "protocol"],
    ["entry", { path: "a", path64: "//4=" }, "protocol"],
    ["entry", { path: undefined }, "protocol"],
    ["entry", { path: undefined, path64: "//4=" }, "none"],
    ["entry", { path: undefined, path64: "YQ==" }, "protocol"], // "a", which is UTF-8
    ["entry", { path: undefined, path64: "77u/" }, "protocol"], // a byte order mark is UTF-8 too
    ["entry", { path: undefined, path64: "" }, "protocol"],
    ["entry", { path: undefined, path64: "//4" }, "protocol"],
    ["entry", { path: undefined, path64: new Uint8Array(MAX_PATH_BYTES).fill(255).toBase64() }, "none"],
    [
      "entry",
      { path: undefined, path64: new Uint8Array(MAX_PATH_BYTES + 1).fill(255).toBase64() },
      "protocol",
    ],
    ["entry", { path: "" }, "none"],
    ["entry", { entry: -1 }, "protocol"],
    ["entry", { length: 5 * 2 ** 40 }, "none"],
    ["entry", { length: -1 }, "protocol"],
    ["entry", { mtime: -1 }, "none"],
    ["entry", { mtime: 1e18 }, "protocol"],
    ["entry", { mode: 0o7777 }, "none"],
    ["entry", { mode: 0o10000 }, "protocol"],
    ["ls", { recursive: 1 }, "protocol"],
    ["ls", { self: null }, "protocol"],
    ["ls", { path: undefined }, "protocol"],
    ["ls", { path64: "//4=" }, "protocol"],
    ["end", { digest: "9F".repeat(32) }, "protocol"],
    ["end", { digest: "9f".repeat(31) }, "protocol"],
    ["end", { digest: "" }, "protocol"],
    ["end", { digest: "0123456789abcdef" }, "none"],
    ["done", { digest: "" }, "protocol"],
    ["done", { action: "skipped", digest: "" }, "none"],
    ["done", { action: "deleted" }, "protocol"],
  ];
  for (const [type, fields, wanted] of cases) {
    const name = JSON.stringify(fields)?.slice(0, 60);
    test(`${type} ${name}: ${wanted}`, () =>
      expect(code(() => parseClientMessage(changed(type, fields)))).toBe(wanted));
  }

  test("limits in the server's hello", () => {
    expect(codeOfLimits({ header: 4096, body: 0 })).toBe("none");
    expect(codeOfLimits({ header: 4095, body: 0 })).toBe("protocol");
    expect(codeOfLimits({ header: 4096, body: -1 })).toBe("protocol");
    expect(codeOfLimits([])).toBe("protocol");
  });
});

describe("errors of a peer", () => {
  test("a code of a newer version is failed", () => {
    for (const unheard of ["flux-capacitor", "toString", "constructor"]) {
      expect(parseClientMessage(changed("error", { code: unheard }))).toMatchObject({ code: "failed" });
      expect(parseClientMessage(changed("abort", { code: unheard }))).toMatchObject({ code: "failed" });
    }
    expect(parseClientMessage(changed("stop", { code: "no-space" }))).toMatchObject({ code: "no-space" });
  });

  test("long text is cut, and not inside a character", () => {
    const fits = "x".repeat(MAX_ERROR_TEXT);
    const pair = `${"x".repeat(MAX_ERROR_TEXT - 1)}😀`;
    expect(parseClientMessage(changed("error", { message: `${fits}y`, hint: fits }))).toMatchObject({
      message: fits,
      hint: fits,
    });
    expect(parseClientMessage(changed("error", { message: pair }))).toMatchObject({
      message: "x".repeat(MAX_ERROR_TEXT - 1),
    });
    expect(parseServerMessage(changed("closing", { reason: pair }, serverSamples))).toMatchObject({
      reason: "x".repeat(MAX_ERROR_TEXT - 1),
    });
  });
});
