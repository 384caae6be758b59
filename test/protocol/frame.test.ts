import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { SockError } from "../../src/errors.ts";
import { MAX_BODY_BYTES, MAX_FIRST_HEADER_BYTES, MAX_HEADER_BYTES } from "../../src/protocol/constants.ts";
import {
  checkMust,
  encodeFrame,
  encodeHeader,
  type Frame,
  FrameDecoder,
  type FrameDecoderOptions,
  type Header,
} from "../../src/protocol/frame.ts";
import { requireHeader } from "../../src/protocol/json.ts";
import file from "../vectors/frames.json";

interface Outcome {
  frames: { header: unknown; body: string | null }[];
  error: string | null;
  midFrame: boolean;
}

const MAX_BLOCK_MS = 50;
const hello: Header = { type: "hello" };

/** Feeds the pieces one push each, as a connection would; a session opens with the first frame. */
function feed(pieces: Iterable<Uint8Array>, session: boolean, options?: FrameDecoderOptions): Outcome {
  const decoder = new FrameDecoder(options);
  const frames: Outcome["frames"] = [];
  let error: SockError["code"] | null = null;
  for (const piece of pieces) {
    try {
      decoder.push(piece, ({ header, body }) => {
        if (session) decoder.open();
        frames.push({ header, body: body === undefined ? null : body.toHex() });
      });
      expect(error).toBeNull(); // once failed, every later push fails
    } catch (thrown) {
      if (!(thrown instanceof SockError)) throw thrown;
      if (error !== null) expect(thrown.code).toBe(error);
      error = thrown.code;
    }
  }
  return { frames, error, midFrame: error === null && decoder.midFrame };
}

function code(action: () => unknown): string {
  try {
    action();
  } catch (thrown) {
    if (thrown instanceof SockError) return thrown.code;
    throw thrown;
  }
  return "none";
}

/** A decoder that is past its first frame and open. */
function openDecoder(options?: FrameDecoderOptions): FrameDecoder {
  const decoder = new FrameDecoder(options);
  decoder.open();
  decoder.push(encodeFrame(hello), () => undefined);
  return decoder;
}

function decodeAll(decoder: FrameDecoder, ...pieces: Uint8Array[]): Frame[] {
  const frames: Frame[] = [];
  for (const piece of pieces) decoder.push(piece, (frame) => frames.push(frame));
  return frames;
}

/** A header whose JSON has exactly that many bytes. */
function headerOf(bytes: number): Header {
  const bare = JSON.stringify({ type: "x", pad: "" }).length;
  return { type: "x", pad: "p".repeat(bytes - bare) };
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

describe("vectors", () => {
  for (const vector of file.vectors) {
    const bytes = Uint8Array.fromHex(vector.hex);
    const wanted: Outcome = {
      frames: vector.frames,
      error: vector.error,
      midFrame: vector.midFrame ?? false,
    };

    test(`${vector.name}: whole, cut everywhere, byte by byte`, () => {
      expect(feed([bytes], vector.session)).toEqual(wanted);
      for (let cut = 0; cut <= bytes.length; cut++) {
        expect(feed([bytes.subarray(0, cut), bytes.subarray(cut)], vector.session)).toEqual(wanted);
      }
      const single = Array.from(bytes, (_, at) => bytes.subarray(at, at + 1));
      expect(feed(single, vector.session)).toEqual(wanted);
    });

    if (vector.error === null && vector.canonical !== false) {
      test(`${vector.name}: encodes to the same bytes`, () => {
        const encoded = vector.frames.map(({ header, body }) =>
          encodeFrame(requireHeader(header), body === null ? undefined : Uint8Array.fromHex(body)).toHex(),
        );
        expect(encoded.join("")).toBe(vector.hex);
      });
    }
  }

  test("no prototype was touched by any of them", () => {
    expect("polluted" in {}).toBe(false);
    expect("polluted" in []).toBe(false);
  });
});

/** Whether a key has no meaning to the codec. */
function isFree([key]: readonly [string, unknown]): boolean {
  return key !== "type" && key !== "size" && key !== "__proto__";
}

describe("round trip", () => {
  const text = fc.string({ unit: "grapheme", maxLength: 20 });
  const value = fc.oneof(
    fc.maxSafeInteger(),
    text,
    fc.boolean(),
    fc.constant(null),
    fc.array(fc.maxSafeInteger()),
  );
  const header = fc
    .dictionary(text, value, { maxKeys: 5 })
    .map((rest) =>
      requireHeader(Object.fromEntries([["type", "x"], ...Object.entries(rest).filter(isFree)])),
    );
  const frame = fc.tuple(header, fc.option(fc.uint8Array({ maxLength: 300 }), { nil: undefined }));

  test("any frames in any pieces", () => {
    fc.assert(
      fc.property(
        fc.array(frame, { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 97 })),
        (frames, lengths) => {
          const stream = Buffer.concat(frames.map(([h, body]) => encodeFrame(h, body)));
          const pieces: Uint8Array[] = [];
          for (let at = 0, turn = 0; at < stream.length; turn++) {
            const length = lengths[turn % lengths.length] ?? stream.length;
            pieces.push(stream.subarray(at, at + length));
            at += length;
          }
          const wanted = frames.map(([h, body]) => (body === undefined ? h : { ...h, size: body.length }));
          const decoded = decodeAll(openDecoder(), ...pieces);
          expect(decoded.map((each) => each.header)).toEqual(wanted);
          expect(decoded.map((each) => each.body?.toHex())).toEqual(frames.map(([, body]) => body?.toHex()));
        },
      ),
    );
  });

  for (const size of [0, 1, 65_535, 65_536, MAX_BODY_BYTES - 1, MAX_BODY_BYTES]) {
    test(`a body of ${size} bytes, whole and in pieces`, () => {
      const body = new Uint8Array(size).map((_, at) => at * 31);
      const bytes = encodeFrame({ type: "data" }, body);
      for (const length of [bytes.length, 16_384, 65_521, 1_000_003]) {
        const pieces: Uint8Array[] = [];
        for (let at = 0; at < bytes.length; at += length) pieces.push(bytes.subarray(at, at + length));
        const [decoded, ...more] = decodeAll(openDecoder(), ...pieces);
        expect(more).toBeEmpty();
        expect(decoded?.header.size).toBe(size);
        expect(Buffer.compare(decoded?.body ?? new Uint8Array(1), body)).toBe(0);
      }
    });
  }

  test("headers up to the limit, and not one byte more", () => {
    for (const bytes of [MAX_HEADER_BYTES - 1, MAX_HEADER_BYTES]) {
      expect(decodeAll(openDecoder(), encodeFrame(headerOf(bytes)))).toHaveLength(1);
    }
    for (const bytes of [MAX_FIRST_HEADER_BYTES - 1, MAX_FIRST_HEADER_BYTES]) {
      expect(decodeAll(new FrameDecoder(), encodeFrame(headerOf(bytes)))).toHaveLength(1);
    }
    const long = encodeFrame(headerOf(MAX_FIRST_HEADER_BYTES + 1));
    expect(code(() => decodeAll(new FrameDecoder(), long))).toBe("protocol");
    const opened = new FrameDecoder();
    opened.open();
    expect(code(() => decodeAll(opened, long))).toBe("protocol"); // the first is short, session or not
    expect(code(() => encodeFrame(headerOf(MAX_HEADER_BYTES + 1)))).toBe("protocol");
    expect(code(() => encodeHeader(headerOf(MAX_FIRST_HEADER_BYTES + 1), MAX_FIRST_HEADER_BYTES))).toBe(
      "protocol",
    );
    expect(code(() => encodeFrame({ type: "x", pad: "你".repeat(MAX_HEADER_BYTES / 3) }))).toBe("protocol");
  });

  test("the first frame has no body, even where the session is there before it", () => {
    const opened = new FrameDecoder();
    opened.open();
    expect(code(() => decodeAll(opened, encodeFrame(hello, Uint8Array.of(1))))).toBe("protocol");
  });
});

describe("encoding refuses what decoding would refuse", () => {
  const hostile: [string, unknown][] = [
    ["fraction", { type: "x", n: 1.5 }],
    ["infinity", { type: "x", n: Number.POSITIVE_INFINITY }],
    ["negative zero", { type: "x", n: -0 }],
    ["2^53", { type: "x", n: 2 ** 53 }],
    ["lone surrogate", { type: "x", s: "\ud800" }],
    ["undefined", { type: "x", s: undefined }],
    ["no type", { n: 1 }],
    ["empty type", { type: "" }],
    ["nine levels", { type: "x", a: [[[[[[[[]]]]]]]] }],
    ["own __proto__", JSON.parse('{"type":"x","__proto__":1}')],
    ["too long a body", { type: "x", size: MAX_BODY_BYTES + 1 }],
    ["negative size", { type: "x", size: -1 }],
  ];
  for (const [name, header] of hostile) {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the type forbids most of them
    test(name, () => expect(code(() => encodeHeader(header as Header))).toBe("protocol"));
  }

  test("a size that is not the body's, or has none", () => {
    expect(code(() => encodeFrame({ type: "x", size: 2 }, new Uint8Array(1)))).toBe("protocol");
    expect(code(() => encodeFrame({ type: "x", size: 2 }))).toBe("protocol");
    expect(code(() => encodeFrame({ type: "x" }, new Uint8Array(MAX_BODY_BYTES + 1)))).toBe("protocol");
    expect(code(() => encodeFrame({ type: "x", size: 1 }, new Uint8Array(1)))).toBe("none");
  });
});

describe("memory", () => {
  test("a body within the piece is a view of it, and nothing is allocated", () => {
    const sizes: number[] = [];
    const decoder = openDecoder({ allocate: (bytes) => (sizes.push(bytes), new Uint8Array(bytes)) });
    const piece = encodeFrame({ type: "data" }, new Uint8Array(5000));
    const cut = piece.length - 5000;
    expect(decodeAll(decoder, piece)[0]?.body?.buffer).toBe(piece.buffer);
    expect(decodeAll(decoder, piece.slice(0, cut), piece.slice(cut))).toHaveLength(1);
    expect(sizes).toEqual([]);
    expect(decodeAll(decoder, piece.slice(0, cut + 1), piece.slice(cut + 1))).toHaveLength(1);
    expect(sizes).toEqual([5000]);
  });

  test("a short body holds no memory of the piece that it came in", () => {
    const decoder = openDecoder();
    for (const size of [1, 64, 128]) {
      const body = new Uint8Array(size).fill(7);
      const piece = encodeFrame({ type: "echo" }, body);
      const [frame] = decodeAll(decoder, piece);
      piece.fill(0);
      expect(frame).toEqual({ header: { type: "echo", size }, body });
    }
  });

  test("a larger buffer than asked for is cut to size", () => {
    const pool = new Uint8Array(MAX_BODY_BYTES);
    const bytes = encodeFrame({ type: "data" }, Uint8Array.of(1, 2, 3));
    const [frame] = decodeAll(openDecoder({ allocate: () => pool }), bytes.slice(0, -1), bytes.slice(-1));
    expect(frame?.body).toEqual(Uint8Array.of(1, 2, 3));
    expect(frame?.body?.buffer).toBe(pool.buffer);
  });

  test("no buffer before a size is accepted, none above the limit", () => {
    for (const [size, limit] of [
      [MAX_BODY_BYTES + 1, undefined],
      [10 ** 15, undefined],
      [1001, 1000],
    ] as const) {
      const sizes: number[] = [];
      const allocate = (bytes: number) => (sizes.push(bytes), new Uint8Array(bytes));
      const decoder = openDecoder(limit === undefined ? { allocate } : { allocate, bodyLimit: limit });
      const header = new TextEncoder().encode(JSON.stringify({ type: "data", size }));
      const bytes = Buffer.concat([u32(header.length), header, new Uint8Array(10)]);
      expect(code(() => decodeAll(decoder, ...Array.from(bytes, (byte) => Uint8Array.of(byte))))).toBe(
        "protocol",
      );
      expect(sizes).toEqual([]);
    }
  });

  test("a length is refused with its fourth byte", () => {
    for (const length of [0, MAX_FIRST_HEADER_BYTES + 1, 0x8000_0000, 0xffff_ffff]) {
      const decoder = new FrameDecoder();
      const bytes = u32(length);
      decodeAll(decoder, bytes.subarray(0, 3));
      expect(code(() => decodeAll(decoder, bytes.subarray(3)))).toBe("protocol");
    }
  });
});

describe("errors", () => {
  test("the first one is repeated, and no frame comes after it", () => {
    const decoder = new FrameDecoder();
    const errors = [u32(0), encodeFrame(hello)].map((bytes) => {
      try {
        decodeAll(decoder, bytes);
      } catch (thrown) {
        return thrown;
      }
      return undefined;
    });
    expect(errors[0]).toBeInstanceOf(SockError);
    expect(errors[1]).toBe(errors[0]);
  });

  test("what the receiver of frames throws ends the decoder too", () => {
    const decoder = new FrameDecoder();
    const failure = new SockError("capability", "not allowed");
    const twice = Buffer.concat([encodeFrame(hello), encodeFrame(hello)]);
    let calls = 0;
    const refuse = () => {
      calls++;
      throw failure;
    };
    expect(() => decoder.push(twice, refuse)).toThrow(failure);
    expect(() => decoder.push(twice, refuse)).toThrow(failure);
    expect(calls).toBe(1);
  });

  test("no word of the peer's is in the message", () => {
    const bytes = new TextEncoder().encode('{"type":SECRET}');
    try {
      decodeAll(new FrameDecoder(), u32(bytes.length), bytes);
      throw new Error("not refused");
    } catch (thrown) {
      expect(String(thrown)).not.toContain("SECRET");
      expect(thrown).toBeInstanceOf(SockError);
    }
  });
});

/** Milliseconds for a body of that many bytes, one push each. */
function byteByByte(size: number): number {
  const bytes = encodeFrame({ type: "data" }, new Uint8Array(size));
  const decoder = openDecoder();
  const start = performance.now();
  for (let at = 0; at < bytes.length; at++) decoder.push(bytes.subarray(at, at + 1), () => undefined);
  expect(decoder.midFrame).toBe(false);
  return performance.now() - start;
}

describe("time", () => {
  const hostile: [string, string][] = [
    ["nesting that never closes", "[".repeat(MAX_HEADER_BYTES)],
    ["nesting that closes", "[".repeat(MAX_HEADER_BYTES / 2) + "]".repeat(MAX_HEADER_BYTES / 2)],
    ["nested objects", '{"a":'.repeat(MAX_HEADER_BYTES / 5)],
    ["a list of 32,000 numbers", `{"n":[${"0,".repeat(32_000)}0]}`],
    ["one long number", `{"n":${"9".repeat(60_000)}}`],
    ["7,000 keys", `{${Array.from({ length: 7000 }, (_, n) => `"${n}":0`).join()}}`],
    ["escapes", `{"s":"${"\\u0041".repeat(10_000)}"}`],
  ];
  for (const [name, text] of hostile) {
    test(`${name}: the loop is not blocked`, () => {
      const bytes = Buffer.concat([u32(text.length), new TextEncoder().encode(text)]);
      const times = Array.from({ length: 3 }, () => {
        const decoder = openDecoder();
        const start = performance.now();
        expect(code(() => decodeAll(decoder, bytes))).toBe("protocol");
        return performance.now() - start;
      });
      expect(Math.min(...times)).toBeLessThan(MAX_BLOCK_MS);
    });
  }

  test("byte by byte takes time in proportion", () => {
    byteByByte(20_000);
    const small = Math.min(byteByByte(62_500), byteByByte(62_500), byteByByte(62_500));
    // 16 times the bytes: 16 times the time when linear, 256 when quadratic.
    expect(byteByByte(1_000_000)).toBeLessThan(Math.max(small, 1) * 80);
  });
});

describe("must", () => {
  test("known keys, unknown keys, wrong types", () => {
    expect(code(() => checkMust({ type: "x" }, []))).toBe("none");
    expect(code(() => checkMust({ type: "x", must: [] }, []))).toBe("none");
    expect(code(() => checkMust({ type: "x", must: ["sync"], sync: true }, ["sync"]))).toBe("none");
    expect(code(() => checkMust({ type: "x", must: ["sync", "other"] }, ["sync"]))).toBe("version");
    expect(code(() => checkMust({ type: "x", must: ["toString"] }, ["sync"]))).toBe("version");
    expect(code(() => checkMust({ type: "x", must: "sync" }, ["sync"]))).toBe("protocol");
    expect(code(() => checkMust({ type: "x", must: [1] }, ["sync"]))).toBe("protocol");
  });
});
