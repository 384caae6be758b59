import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { textStream } from "../../src/text/decoder.ts";
import { MAX_UNDECIDED_BYTES, UNDECIDED_MS } from "../../src/text/decide.ts";
import vectors from "../vectors/text.json";
import { allCuts, decodeChunks, decodingOf, type Prior } from "./streams.ts";

const hex = (text: string): Uint8Array => Uint8Array.fromHex(text.replaceAll(" ", ""));
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const show = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

describe("vectors: whole, at each two-way and three-way cut, byte by byte", () => {
  for (const vector of vectors) {
    for (const stated of [false, true]) {
      test(`${vector.id} ${stated ? "stated" : "guessed"} ${vector.prior}: ${vector.why}`, () => {
        const bytes = hex(vector.hex);
        const prior: Prior = { encoding: vector.prior, stated, c1: "kept" };
        expect(decodeChunks([bytes], prior)).toBe(vector.text);
        for (const chunks of allCuts(bytes)) expect(decodeChunks(chunks, prior)).toBe(vector.text);
      });
    }
  }
});

/** Further cases of the rule: bytes, prior, text. */
const CASES: [why: string, bytes: string, prior: string, text: string][] = [
  ["a UTF-8 mark is dropped and means UTF-8", "EFBBBF CFB5CDB3 0A D6D0 0A", "gbk", "ϵͳ\n\ufffd\ufffd\n"],
  ["half a mark is none", "EFBB", "utf-8", "\ufffd"],
  ["FF FE means UTF-16", "FFFE 2D4E 8765 0D00 0A00", "gbk", "中文\r\n"],
  ["UTF-16 without a mark", "57006900 6E000D00 0A00", "gbk", "Win\r\n"],
  [
    "what wsl.exe prints on a Chinese Windows",
    "0290 2875 8E4E 2000 4C00 6900 6E00 7500 7800 2000 8476 2000 5700 6900 6E00 6400 6F00 7700 7300 0D00 0A00 0290",
    "gb18030",
    "适用于 Linux 的 Windows\r\n适",
  ],
  ["UTF-16 that is cut off", "61006200 63", "utf-8", "ab\ufffd"],
  ["names with NULs between", "612E747874 00 622E747874 00 632E747874 00", "utf-8", "a.txt\0b.txt\0c.txt\0"],
  ["a NUL at an even offset: no UTF-16", "6162 00 6364 00 D6D0 0A", "utf-8", "ab\0cd\0中\n"],
  ["each line for itself", "E4B8ADE69687 0A D6D0CEC4 0A E4B8ADE69687 0A", "utf-8", "中文\n中文\n中文\n"],
  ["GBK later in a UTF-8 line", "E4B8ADE69687 D6D0CEC4 0A", "utf-8", "中文中文\n"],
  ["GBK later in it, a pair", "E4B8ADE69687 D6D0 0A", "utf-8", "中文中\n"],
  ["a character cut off in a UTF-8 line", "E4B8ADE69687 E4B8 20 E69687 0A", "gbk", "中文\ufffd 文\n"],
  ["one cut off before LF", "E4B8ADE69687 E4B8 0A D6D0 0A", "gbk", "中文\ufffd\n中\n"],
  ["one cut off by the end", "E4B8ADE69687 E4B8", "gbk", "中文\ufffd"],
  ["FF in a UTF-8 line", "E4B8ADE69687 FF E4B8AD 0A", "gbk", "中文\ufffd中\n"],
  ["a UTF-8 pair under GB, with a trail that GB seldom has", "C280 0A C2A0 0A", "gbk", "\ufffd\n\u00a0\n"],
  ["é alone", "C3A9 0A", "gbk", "茅\n"],
  ["é at a letter", "70C3A9 0A", "gbk", "pé\n"],
  ["two pairs beside each other", "70C3A9C3A9 0A", "gbk", "p茅茅\n"],
  ["a surrogate, an overlong one, over F4 8F", "EDA080 0A", "utf-8", "頎€\n"],
  ["81 30 before ESC", "8130 1B5B6D 0A", "gbk", "\ufffd0\u001b[m\n"],
  ["a lead byte before each of ESC CR LF", "D61B D60D D60A", "gbk", "\ufffd\u001b\ufffd\r\ufffd\n"],
  ["trail bytes that look like ASCII", "815B 815C 817C 817B 817E 8140 0A", "gbk", "乕乗亅亄亊丂\n"],
  ["C1 in UTF-8", "C29B 33 0A", "utf-8", "\ufffd3\n"],
  ["C1 in GB18030", "81308337 33 0A", "utf-8", "\ufffd3\n"],
  ["what a next line holds says nothing about this one", "CFB5 0A D640 0A", "gbk", "系\n諤\n"],
  ["nothing", "", "gbk", ""],
];
describe("the rule", () => {
  for (const [why, bytes, encoding, text] of CASES) {
    test(why, () => {
      for (const chunks of [[hex(bytes)], ...(bytes.length < 100 ? allCuts(hex(bytes)) : [])]) {
        expect(decodeChunks(chunks, { encoding })).toBe(text);
      }
    });
  }

  test("three sure lines of one kind replace a guessed prior, not a stated one", () => {
    const both = hex("CFB5CDB3 0A");
    const sure = [hex("D6D0 0A"), hex("C1AACDA8 0A")];
    const lines = (count: number) => Array.from({ length: count }, (_, at) => sure[at % 2] ?? both);
    expect(decodeChunks([...lines(2), both], { encoding: "utf-8" })).toEndWith("ϵͳ\n");
    expect(decodeChunks([...lines(3), both], { encoding: "utf-8" })).toEndWith("系统\n");
    expect(decodeChunks([...lines(9), both], { encoding: "utf-8", stated: true })).toEndWith("ϵͳ\n");
    const other = Array.from({ length: 3 }, () => utf8("中文\n"));
    expect(decodeChunks([...other, both], { encoding: "gbk" })).toEndWith("ϵͳ\n");
    expect(decodeChunks([...other, both], { encoding: "gbk", stated: true })).toEndWith("系统\n");
    expect(decodeChunks([...lines(3), ...other, both], { encoding: "utf-8" })).toEndWith("系统\n");
    expect(decodeChunks([...lines(3), ...other, ...other, both], { encoding: "utf-8" })).toEndWith("ϵͳ\n");
  });

  test("another encoding: stated it is all there is, guessed it is what no UTF-8 is", () => {
    const bytes = Buffer.concat([hex("A4A4A4E5 0A"), utf8("中文\n")]);
    expect(decodeChunks([bytes], { encoding: "big5" })).toBe("中文\n中文\n");
    expect(decodeChunks([bytes], { encoding: "big5", stated: true })).toStartWith("中文\n");
    expect(decodeChunks([hex("9B")], { encoding: "iso-8859-2", stated: true })).toBe("\ufffd");
    expect(decodeChunks([hex("80E9")], { encoding: "windows-1252", stated: true })).toBe("€é");
    expect(decodeChunks([hex("2D4E 8765")], { encoding: "utf-16le", stated: true })).toBe("中文");
    for (const chunks of allCuts(hex("A4A4A4E5 0A A4"))) {
      expect(decodeChunks(chunks, { encoding: "big5" })).toBe("中文\n\ufffd");
    }
  });
});

describe("time", () => {
  const timed = (encoding: string) => {
    const clock = { now: 1000 };
    const stream = textStream(decodingOf({ encoding }), { clock: () => clock.now });
    stream.push(utf8("x".repeat(64)));
    return { clock, stream };
  };

  test("ASCII goes out at once, also as the first thing of a stream", () => {
    const stream = textStream(decodingOf({ encoding: "gbk" }), { clock: () => 0 });
    expect(show(stream.push(utf8("login: ")))).toBe("login: ");
    expect(stream.due).toBeUndefined();
  });

  test("a prompt without LF shows after 30 ms, by a tick or by what comes then", () => {
    for (const later of ["tick", "push"] as const) {
      const { clock, stream } = timed("gbk");
      expect(show(stream.push(hex("CFB5CDB3")))).toBe("");
      expect(stream.due).toBe(1000 + UNDECIDED_MS);
      clock.now += UNDECIDED_MS - 1;
      expect(show(stream.tick())).toBe("");
      clock.now += 1;
      // what comes then is UTF-8 without doubt, but the line is decided
      const more = later === "tick" ? "" : "CEC4";
      expect(show(later === "tick" ? stream.tick() : stream.push(hex(more)))).toBe(
        later === "tick" ? "系统" : "系统文",
      );
      expect(stream.due).toBeUndefined();
    }
  });

  test("the same for the first bytes of a stream", () => {
    const clock = { now: 0 };
    const stream = textStream(decodingOf({ encoding: "gbk" }), { clock: () => clock.now });
    stream.push(hex("CFB5CDB3"));
    expect(stream.due).toBe(UNDECIDED_MS);
    clock.now = UNDECIDED_MS;
    expect(show(stream.tick())).toBe("系统");
  });

  test("what was decided in the first bytes makes what comes behind it no older", () => {
    for (const size of [1, 2, 5]) {
      const clock = { now: 0 };
      const stream = textStream(decodingOf({ encoding: "utf-8" }), { clock: () => clock.now });
      stream.push(hex("D6D0"));
      clock.now += 17;
      const more = hex("0A1BEFBFBD");
      for (let at = 0; at < more.length; at += size) stream.push(more.subarray(at, at + size));
      expect(stream.due).toBe(clock.now + UNDECIDED_MS);
    }
  });

  test("a character whose bytes come 40 ms apart is whole", () => {
    for (const [encoding, bytes, text] of [
      ["gbk", "E4B8AD0A", "中\n"],
      ["utf-8", "E4B8AD0A", "中\n"],
      ["gbk", "D6D00A", "中\n"],
      ["utf-8", "D6D00A", "中\n"],
    ] as const) {
      const { clock, stream } = timed(encoding);
      const [first, rest] = [hex(bytes).subarray(0, 1), hex(bytes).subarray(1)];
      let out = show(stream.push(first));
      clock.now += 40;
      out += show(stream.tick());
      expect(stream.due).toBeUndefined();
      out += show(stream.push(rest));
      expect(out).toBe(text);
    }
  });

  test("64 bytes are held, not more", () => {
    const { stream } = timed("gbk");
    const pair = hex("CFB5");
    for (let bytes = 2; bytes < MAX_UNDECIDED_BYTES; bytes += 2) expect(show(stream.push(pair))).toBe("");
    expect(show(stream.push(pair))).toBe("系".repeat(MAX_UNDECIDED_BYTES / 2));
  });
});

/** Bytes as programs of both kinds print them, and worse. */
const pieces = fc.oneof(
  fc.uint8Array({ maxLength: 12 }),
  fc.constantFrom(..."\n \r[\\|{~@azé°中文系统😀\u009b€".split("").map(utf8)),
  fc.constantFrom(
    ...["D6D0", "CEC4", "CFB5", "81308337", "9439FC36", "E4B8", "F09F", "00", "FFFE", "1B"].map(hex),
    ...["02", "80", "EF", "EFBBBF", "EFBFBD"].map(hex),
  ),
);
const bytes = fc.array(pieces, { maxLength: 40 }).map((all) => new Uint8Array(Buffer.concat(all)));
const prior = fc.record({
  encoding: fc.constantFrom("utf-8", "gbk", "gb18030", "big5", "windows-1252", "utf-16le"),
  stated: fc.boolean(),
});

describe("any bytes", () => {
  test("cuts change nothing, and no C1 control leaves", () => {
    fc.assert(
      fc.property(bytes, prior, fc.array(fc.nat({ max: 300 }), { maxLength: 6 }), (all, given, cuts) => {
        const whole = decodeChunks([all], given);
        expect(whole).not.toMatch(/[\u0080-\u009f]/);
        const at = [0, ...cuts.map((cut) => Math.min(cut, all.length)).toSorted((a, b) => a - b), all.length];
        const chunks = at.slice(1).map((end, index) => all.subarray(at[index], end));
        expect(decodeChunks(chunks, given)).toBe(whole);
        expect(
          decodeChunks(
            Array.from(all, (_, i) => all.subarray(i, i + 1)),
            given,
          ),
        ).toBe(whole);
      }),
      { numRuns: 4000 },
    );
  });

  test("what comes at one moment may be cut, also where time passes between", () => {
    // few bytes at each, so that many streams are still at their first 64 when time passes
    const moment = fc.array(pieces, { maxLength: 12 }).map((all) => new Uint8Array(Buffer.concat(all)));
    const moments = fc.array(fc.tuple(moment, fc.integer({ min: 0, max: 40 })), { maxLength: 7 });
    const run = (all: [Uint8Array, number][], given: Prior, size: number): string => {
      const clock = { now: 0 };
      const stream = textStream(decodingOf(given), { clock: () => clock.now });
      const out: Uint8Array[] = [];
      for (const [piece, wait] of all) {
        for (let at = 0; at < piece.length; at += size) {
          out.push(new Uint8Array(stream.push(piece.subarray(at, at + size))));
        }
        clock.now += wait;
        out.push(stream.tick());
        expect(stream.due ?? Infinity).toBeGreaterThan(clock.now);
      }
      return show(Buffer.concat([...out, stream.end()]));
    };
    fc.assert(
      fc.property(moments, prior, fc.integer({ min: 1, max: 9 }), (all, given, size) => {
        expect(run(all, given, size)).toBe(run(all, given, 1000));
      }),
      { numRuns: 3000 },
    );
  });

  test("ESC, CR and LF survive, and valid UTF-8 with a mark is what it was", () => {
    const count = (text: string | Uint8Array, byte: number) =>
      (typeof text === "string" ? utf8(text) : text).filter((one) => one === byte).length;
    fc.assert(
      fc.property(bytes, fc.constantFrom("utf-8", "gbk"), (all, encoding) => {
        // after 64 bytes of text nothing is taken for UTF-16
        const given = Buffer.concat([utf8("x".repeat(64)), all]);
        const text = decodeChunks([given], { encoding });
        for (const byte of [0x1b, 0x0d, 0x0a]) expect(count(text, byte)).toBe(count(given, byte));
      }),
      { numRuns: 2000 },
    );
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const marked = Buffer.concat([hex("EFBBBF"), utf8(text)]);
        expect(decodeChunks([marked], { encoding: "gbk", c1: "kept" })).toBe(text);
      }),
    );
  });

  test("a GBK line reads as TextDecoder reads it", () => {
    const line = fc
      .uint8Array({ maxLength: 80 })
      .map((all) => Buffer.from(all.filter((byte) => byte !== 0x0a)));
    fc.assert(
      fc.property(line, (tail) => {
        // D6 D0 is no UTF-8 and decides
        const all = Buffer.concat([utf8("x".repeat(64)), hex("D6D0"), tail]);
        expect(decodeChunks([all], { encoding: "gbk", c1: "kept" })).toBe(
          new TextDecoder("gb18030").decode(all),
        );
      }),
      { numRuns: 5000 },
    );
  });

  test("longer than a block", () => {
    const text = "状态: 已终止 PID 123 系统找不到指定的文件。\n".repeat(9000);
    expect(decodeChunks([utf8(text)], { encoding: "gbk" })).toBe(text);
  });
});
