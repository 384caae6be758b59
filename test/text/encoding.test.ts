import { describe, expect, test } from "bun:test";
import { chooseDecoding, encodingName, rawHint } from "../../src/text/encoding.ts";
import { errorOf } from "../helpers/codes.ts";

describe("names", () => {
  const NAMES: Record<string, string> = {
    auto: "auto",
    " RAW ": "raw",
    UTF8: "utf-8",
    "utf-8": "utf-8",
    GBK: "gbk",
    gb2312: "gbk",
    GB18030: "gb18030",
    cp936: "gb18030",
    "936": "gb18030",
    "54936": "gb18030",
    "65001": "utf-8",
    "utf-16le": "utf-16le",
    "utf-16": "utf-16le",
    big5: "big5",
    cp950: "big5",
    cp932: "shift_jis",
    cp1252: "windows-1252",
    "1251": "windows-1251",
    "windows-1252": "windows-1252",
    latin1: "windows-1252",
    "iso8859-2": "iso-8859-2",
    eucjp: "euc-jp",
    "koi8-r": "koi8-r",
  };
  for (const [name, encoding] of Object.entries(NAMES)) {
    test(name, () => expect(encodingName(name)).toBe(encoding));
  }

  test("one that nobody knows: usage, and what may be meant", () => {
    const cases: [string, string][] = [
      ["gkb", "did you mean gbk?"],
      ["utf-9", "did you mean utf-8?"],
      ["gb18300", "did you mean gb18030?"],
      ["klingon", "for example auto, raw, utf-8, gbk, utf-16le"],
      ["", "for example auto, raw, utf-8, gbk, utf-16le"],
      ["__proto__", "for example auto, raw, utf-8, gbk, utf-16le"],
    ];
    for (const [name, hint] of cases) {
      expect([name, errorOf(() => encodingName(name))]).toMatchObject([name, { code: "usage", hint }]);
    }
  });
});

describe("which one counts", () => {
  const text = (encoding: string, stated: boolean) => ({ kind: "text", encoding, stated }) as const;
  const raw = { kind: "raw" } as const;

  test("the flag, then SOCK_ENCODING, then the host's setting, then what the server says, then UTF-8", () => {
    const all = { flag: "big5", variable: "gbk", host: "latin1", hello: "koi8-r", terminal: true };
    expect(chooseDecoding(all)).toEqual(text("big5", true));
    expect(chooseDecoding({ ...all, flag: undefined })).toEqual(text("gbk", true));
    expect(chooseDecoding({ ...all, flag: undefined, variable: "" })).toEqual(text("windows-1252", true));
    expect(chooseDecoding({ hello: "koi8-r", terminal: true })).toEqual(text("koi8-r", false));
    expect(chooseDecoding({ hello: "gb2312", terminal: true })).toEqual(text("gbk", false));
    for (const hello of [null, undefined, "", "us-ascii", "ansi_x3.4-1968", "nonsense", "__proto__"]) {
      expect(chooseDecoding({ hello, terminal: true })).toEqual(text("utf-8", false));
    }
  });

  test("a pipe is raw, unless an encoding is stated", () => {
    expect(chooseDecoding({ hello: "gbk", terminal: false })).toEqual(raw);
    expect(chooseDecoding({ variable: "gbk", terminal: false })).toEqual(text("gbk", true));
    expect(chooseDecoding({ host: "gbk", terminal: false })).toEqual(text("gbk", true));
    expect(chooseDecoding({ variable: "auto", hello: "gbk", terminal: false })).toEqual(text("gbk", false));
    expect(chooseDecoding({ flag: "raw", host: "gbk", terminal: true })).toEqual(raw);
  });

  test("auto leaves it to the host's setting and the server", () => {
    expect(chooseDecoding({ flag: "auto", host: "gbk", terminal: false })).toEqual(text("gbk", true));
    expect(chooseDecoding({ flag: "auto", variable: "big5", hello: "gbk", terminal: true })).toEqual(
      text("gbk", false),
    );
    expect(chooseDecoding({ flag: "auto", host: "raw", terminal: true })).toEqual(text("utf-8", false));
  });

  test("a stated name that is none is refused, also one that does not count", () => {
    for (const sources of [{ flag: "gkb" }, { variable: "gkb" }, { flag: "gbk", variable: "gkb" }]) {
      expect(errorOf(() => chooseDecoding({ ...sources, terminal: true }))).toMatchObject({ code: "usage" });
    }
  });
});

test("a hint only where GBK goes raw into a pipe and nobody said so", () => {
  expect(rawHint({ hello: "936", terminal: false })).toContain("SOCK_ENCODING");
  for (const sources of [
    { hello: "936", terminal: true },
    { hello: "utf-8", terminal: false },
    { hello: "936", variable: "raw", terminal: false },
    { hello: "936", flag: "raw", terminal: false },
    { hello: "936", host: "raw", terminal: false },
    { hello: "936", variable: "auto", terminal: false },
  ]) {
    expect([sources, rawHint(sources)]).toEqual([sources, undefined]);
  }
});
