import { describe, expect, test } from "bun:test";
import { SockError } from "../../src/errors.ts";
import {
  MAX_ARGV_BYTES,
  MAX_BODY_BYTES,
  MAX_ENV,
  MAX_ENV_TEXT,
  MAX_ERROR_TEXT,
  MAX_GET_PATHS,
  MAX_LINK_TARGET_BYTES,
  MAX_PATH_BYTES,
  MAX_TERMINAL_NAME,
  MAX_TERMINAL_SIDE,
  STREAM_CREDIT,
} from "../../src/protocol/constants.ts";
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

const OPTIONAL: { readonly [type: string]: readonly string[] } = {
  error: ["hint"],
  stop: ["hint"],
  source: ["hint"],
  missed: ["hint", "skipped"],
  put: ["verify", "sync", "checksum", "dry", "atomic", "compress"],
  entry: ["source", "again", "resume"],
  ls: ["recursive", "self"],
  item: ["error", "target", "target64"],
  exec: ["with", "folder"],
  attach: ["id", "at"],
};

function isOptional(sample: Header, key: string): boolean {
  // a digest stands beside a body or in an offer, and there only
  if (sample.type === "entry" && key === "offer") return sample["digest"] === undefined;
  if (sample.type === "entry" && key === "digest") return sample["offer"] !== undefined;
  return OPTIONAL[sample.type]?.includes(key) ?? false;
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
        for (const key of Object.keys(sample)) {
          const rest = { ...without(sample, key), type: key === "type" ? "" : sample.type };
          expect(code(() => parse(rest))).toBe(isOptional(sample, key) ? "none" : "protocol");
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

const OF_SERVER =
  "enrolled ready source result item closing begun out err exit attached terminal_item listed over";
const OF_CLIENT = "enrol put get ls finish exec words in signal terminal attach resize leave terminals";

test("neither side's own messages are taken from the other", () => {
  for (const type of OF_SERVER.split(" ")) {
    expect(code(() => parseClientMessage(changed(type, {}, serverSamples)))).toBe("protocol");
  }
  for (const type of OF_CLIENT.split(" ")) {
    expect(code(() => parseServerMessage(changed(type, {})))).toBe("protocol");
  }
});

function variables(count: number): { readonly [name: string]: string } {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`V${index}`, ""]));
}

describe("ranges", () => {
  const word = "w".repeat(64);
  const DIGEST = "9f".repeat(32);
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
    ["put", { checksum: 1 }, "protocol"],
    ["put", { dry: "true" }, "protocol"],
    ["put", { atomic: null }, "protocol"],
    ["put", { compress: "zstd" }, "protocol"],
    ["put", { compress: "never" }, "none"],
    ["get", { paths: Array.from({ length: MAX_GET_PATHS }, () => ({ path: "a" })) }, "none"],
    ["get", { paths: Array.from({ length: MAX_GET_PATHS + 1 }, () => ({ path: "a" })) }, "protocol"],
    ["get", { paths: [] }, "protocol"],
    ["get", { paths: ["a"] }, "protocol"],
    ["get", { paths: [null] }, "protocol"],
    ["get", { paths: [["a"]] }, "protocol"],
    ["get", { paths: { path: "a" } }, "protocol"],
    ["get", { paths: [{}] }, "protocol"],
    ["get", { paths: [{ path: "a" }, { path: 1 }] }, "protocol"],
    ["get", { paths: [{ path: "a", path64: "//4=" }] }, "protocol"],
    ["get", { paths: [{ path64: "YQ==" }] }, "protocol"], // "a", which is UTF-8
    ["get", { paths: [{ path: "" }] }, "none"],
    ["get", { paths: [{ path: "a".repeat(MAX_PATH_BYTES + 1) }] }, "protocol"],
    ["get", { digest: "" }, "protocol"],
    ["get", { links: "copy" }, "protocol"],
    ["get", { links: "follow" }, "none"],
    ["get", { compress: "Auto" }, "protocol"],
    ["get", { fresh: 0 }, "protocol"],
    ["entry", { kind: "device" }, "protocol"],
    ["entry", { kind: "folder" }, "none"],
    ["entry", { kind: "link" }, "protocol"],
    ["entry", { kind: "link", target: "b" }, "none"],
    ["entry", { kind: "link", target: "b", target64: "//4=" }, "protocol"],
    ["entry", { kind: "link", target: "b".repeat(MAX_PATH_BYTES + 1) }, "protocol"],
    ["entry", { kind: "link", target64: "" }, "protocol"],
    ["entry", { kind: "link", target64: "//4" }, "protocol"],
    ["entry", { kind: "link", target64: new Uint8Array(MAX_LINK_TARGET_BYTES).fill(255).toBase64() }, "none"],
    [
      "entry",
      { kind: "link", target64: new Uint8Array(MAX_LINK_TARGET_BYTES + 3).fill(255).toBase64() },
      "protocol",
    ],
    ["entry", { source: -1 }, "protocol"],
    ["entry", { source: 0 }, "none"],
    ["entry", { offer: false }, "protocol"],
    ["entry", { offer: true, length: null }, "protocol"],
    ["entry", { offer: true, resume: 0 }, "protocol"],
    ["entry", { offer: true, digest: DIGEST, size: 10 }, "protocol"],
    ["entry", { offer: true, digest: "9f" }, "protocol"],
    ["entry", { offer: true, digest: DIGEST }, "none"],
    ["entry", { again: false }, "protocol"],
    ["entry", { again: true }, "none"],
    ["entry", { digest: DIGEST }, "protocol"],
    ["entry", { size: 10 }, "protocol"],
    ["entry", { digest: DIGEST, size: 10 }, "none"],
    ["entry", { digest: DIGEST, size: 9 }, "protocol"],
    ["entry", { digest: DIGEST, size: 11 }, "protocol"],
    ["entry", { digest: DIGEST, size: 0, length: 0 }, "none"],
    ["entry", { digest: DIGEST, size: 0, length: null }, "protocol"],
    ["entry", { digest: DIGEST, size: MAX_BODY_BYTES, length: MAX_BODY_BYTES }, "none"],
    ["entry", { digest: DIGEST, size: MAX_BODY_BYTES + 1, length: MAX_BODY_BYTES + 1 }, "protocol"],
    ["entry", { resume: 10 }, "none"],
    ["entry", { resume: 11 }, "protocol"],
    ["entry", { resume: -1 }, "protocol"],
    ["entry", { resume: 0, length: null }, "protocol"],
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
    ["data", { size: MAX_BODY_BYTES }, "none"],
    ["data", { size: MAX_BODY_BYTES + 1 }, "protocol"],
    ["proof", { size: MAX_BODY_BYTES }, "none"],
    ["proof", { size: MAX_BODY_BYTES + 1 }, "protocol"],
    ["exec", { bytes: 0 }, "protocol"],
    ["exec", { bytes: MAX_ARGV_BYTES }, "none"],
    ["exec", { bytes: MAX_ARGV_BYTES + 1 }, "protocol"],
    ["exec", { with: "zsh" }, "protocol"],
    ["exec", { cwd: "a".repeat(MAX_PATH_BYTES + 1) }, "protocol"],
    ["exec", { env: [] }, "protocol"],
    ["exec", { env: { "A B": "" } }, "protocol"],
    ["exec", { env: { "": "" } }, "protocol"],
    ["exec", { env: { "A=B": "" } }, "protocol"],
    ["exec", { env: { "1A": "" } }, "protocol"],
    ["exec", { env: { A: "a\0b" } }, "protocol"],
    ["exec", { env: { A: 1 } }, "protocol"],
    ["exec", { env: { A: "=\n 你" } }, "none"],
    ["exec", { env: { A: "a".repeat(MAX_ENV_TEXT) } }, "none"],
    ["exec", { env: { A: "a".repeat(MAX_ENV_TEXT + 1) } }, "protocol"],
    ["exec", { env: variables(MAX_ENV) }, "none"],
    ["exec", { env: variables(MAX_ENV + 1) }, "protocol"],
    ["exec", { stdin: 1 }, "protocol"],
    ["exec", { detach: null }, "protocol"],
    ["exec", { max_output: -1 }, "protocol"],
    ["exec", { max_output: null }, "none"],
    ["words", { size: MAX_BODY_BYTES + 1 }, "protocol"],
    ["in", { size: MAX_BODY_BYTES + 1 }, "protocol"],
    ["credit", { stream: "stdout" }, "protocol"],
    ["credit", { bytes: 0 }, "protocol"],
    ["credit", { bytes: STREAM_CREDIT }, "none"],
    ["credit", { bytes: STREAM_CREDIT + 1 }, "protocol"],
    ["signal", { name: "SIGSTOP" }, "protocol"],
    ["signal", { name: "sigint" }, "protocol"],
    ["signal", { name: "SIGKILL" }, "none"],
    ["terminal", { name: "a".repeat(MAX_TERMINAL_NAME) }, "none"],
    ["terminal", { name: "a".repeat(MAX_TERMINAL_NAME + 1) }, "protocol"],
    ["terminal", { name: "" }, "protocol"],
    ["terminal", { name: "-a" }, "protocol"],
    ["terminal", { name: "a b" }, "protocol"],
    ["terminal", { name: "a\n" }, "protocol"],
    ["terminal", { cols: 0 }, "protocol"],
    ["terminal", { rows: 0 }, "protocol"],
    ["terminal", { cols: MAX_TERMINAL_SIDE }, "none"],
    ["terminal", { rows: MAX_TERMINAL_SIDE + 1 }, "protocol"],
    ["terminal", { env: { "A B": "" } }, "protocol"],
    ["attach", { id: "0".repeat(31) }, "protocol"],
    ["attach", { id: "A".repeat(32) }, "protocol"],
    ["attach", { at: -1 }, "protocol"],
    ["bytes", { at: -1 }, "protocol"],
    ["bytes", { size: MAX_BODY_BYTES + 1 }, "protocol"],
    ["ack", { at: -1 }, "protocol"],
    ["resize", { cols: 0 }, "protocol"],
    ["resize", { rows: MAX_TERMINAL_SIDE + 1 }, "protocol"],
    ["leave", { end: 1 }, "protocol"],
    ["proof", { entry: -1 }, "protocol"],
    ["want", { have: -1 }, "protocol"],
    ["want", { have: Number.MAX_SAFE_INTEGER }, "none"],
    ["want", { entry: null }, "protocol"],
    ["from", { at: -1 }, "protocol"],
    ["from", { at: 1 }, "none"],
    ["done", { digest: "" }, "none"],
    ["done", { digest: "9f" }, "protocol"],
    ["done", { bytes: -1 }, "protocol"],
    ["done", { action: "same" }, "none"],
    ["done", { action: "repaired" }, "none"],
    ["done", { action: "renamed", path: "" }, "none"],
    ["done", { action: "failed" }, "protocol"],
    ["done", { action: "deleted" }, "protocol"],
  ];
  for (const [type, fields, wanted] of cases) {
    const name = JSON.stringify(fields)?.slice(0, 60);
    test(`${type} ${name}: ${wanted}`, () =>
      expect(code(() => parseClientMessage(changed(type, fields)))).toBe(wanted));
  }

  const answers: [string, { readonly [key: string]: Json | undefined }, "none" | "protocol"][] = [
    ["ready", { fresh: 1 }, "protocol"],
    ["ready", { fresh: false }, "none"],
    ["source", { source: -1 }, "protocol"],
    ["source", { kind: "link" }, "protocol"],
    ["source", { kind: "file" }, "none"],
    ["source", { kind: "failed" }, "protocol"],
    ["source", { kind: "failed", code: "io", message: "" }, "none"],
    ["source", { kind: "failed", code: "io", message: "", hint: 1 }, "protocol"],
    ["result", { files: -1 }, "protocol"],
    ["result", { bytes: 2 ** 53 }, "protocol"],
    ["result", { skipped: null }, "protocol"],
    ["result", { failed: 0 }, "none"],
  ];
  for (const [type, fields, wanted] of answers) {
    test(`${type} ${JSON.stringify(fields)}: ${wanted}`, () =>
      expect(code(() => parseServerMessage(changed(type, fields, serverSamples)))).toBe(wanted));
  }

  test("the program of a listed terminal may have a long path", () => {
    const item = (command: string): string =>
      code(() => parseServerMessage(changed("terminal_item", { command }, serverSamples)));
    expect(item("/".repeat(MAX_PATH_BYTES))).toBe("none");
    expect(item("/".repeat(MAX_PATH_BYTES + 1))).toBe("protocol");
  });

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
