import { describe, expect, test } from "bun:test";
import { encodeFrame, type Header } from "../../src/protocol/frame.ts";
import { start } from "../helpers/child.ts";
import {
  CONTROL,
  CONTROLS,
  frame,
  MiB,
  OLD,
  type Said,
  say,
  type Script,
  sha256,
  survive,
  watched,
} from "../helpers/hostile.ts";
import { GREETING, type Peer, scriptedServer } from "../helpers/scripted.ts";
import { temporaryFolder } from "../helpers/temp.ts";

const FIVE = Buffer.from("12345");
const FILE: Header = { type: "source", source: 0, kind: "file" };
const FOLDER: Header = { ...FILE, kind: "folder" };
const RESULT: Header = { type: "result", files: 0, bytes: 0, skipped: 0, failed: 0 };
const facts = { source: 0, mtime: null, mode: null };
const entry = (path: string, more: object = {}): Header => ({
  type: "entry",
  entry: 0,
  kind: "file",
  path,
  length: 5,
  ...facts,
  ...more,
});
const small = (path: string, id = 0): Said => [
  entry(path, { entry: id, digest: sha256(FIVE), size: 5 }),
  FIVE,
];
const length = (bytes: number): Uint8Array => {
  const four = Buffer.alloc(4);
  four.writeUInt32LE(bytes);
  return four;
};
const zstd = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => new Uint8Array(Bun.zstdCompressSync(bytes));
const packed = (raw: number, body: Uint8Array): Said => [{ type: "packed", raw }, body];
const whole = encodeFrame(FILE);
const LONG = JSON.stringify({ type: "error", code: "failed", message: "x".repeat(10 * MiB) });
const nested = (depth: number): string => `{"type":"source","x":${"[".repeat(depth)}${"]".repeat(depth)}}`;

describe("frames that are none", () => {
  const LIES: Record<string, Said[]> = {
    "a length of 0": [length(0)],
    "a length of FFFFFFFF": [length(0xffff_ffff)],
    "a length of one more than may be": [length(65_537)],
    "an error text of 10 MB": [LONG],
    HTTP: [Buffer.from("HTTP/1.1 200 OK\r\n\r\n")],
    "a header that is no JSON": ["nonsense"],
    "a header that is no object": ["[]"],
    "a header that is null": ["null"],
    "a header without a type": ["{}"],
    "a type that is a number": [`{"type":1}`],
    "an empty type": [`{"type":""}`],
    "a type that every object has": [`{"type":"constructor"}`],
    "a header that is no UTF-8": [frame("\xff", new Uint8Array(0)), Buffer.from([2, 0, 0, 0, 0xff, 0xfe])],
    "a byte order mark": [`\ufeff${JSON.stringify(FILE)}`],
    "a header nested too deep": [nested(8)],
    "a header nested as deep as it is long": [nested(30_000)],
    "a number with a fraction": [`{"type":"source","source":0.5,"kind":"file"}`],
    "a number beyond all": [`{"type":"source","source":1e400,"kind":"file"}`],
    "a key called __proto__": [`{"type":"source","source":0,"kind":"file","__proto__":{"kind":"folder"}}`],
    "a body of one more than may be": [`{"type":"data","entry":0,"size":1048577}`],
    "a body of 4 GB": [`{"type":"data","entry":0,"size":4294967295}`],
    "a body below 0": [`{"type":"data","entry":0,"size":-1}`],
    "a size that is text": [`{"type":"data","entry":0,"size":"5"}`],
    "packed: nothing": [{ type: "packed", raw: 10 }],
    "packed: of an unknown length": [[{ type: "packed" }, zstd(whole)]],
    "packed: longer than it says": [packed(whole.length - 1, zstd(whole))],
    "packed: shorter than it says": [packed(whole.length + 1, zstd(whole))],
    "packed: longer than any may be": [packed(2 ** 40, zstd(whole))],
    "packed: no zstd": [packed(10, Buffer.from("0123456789"))],
    "packed: half a frame": [packed(5, zstd(whole.subarray(0, 5)))],
    "packed: damaged": [packed(whole.length, zstd(whole).subarray(0, -3))],
    "packed: in a packed one": [packed(0, whole)].map(() => {
      const inner = encodeFrame({ type: "packed", raw: whole.length }, zstd(whole));
      return packed(inner.length, zstd(inner));
    }),
  };
  for (const [what, says] of Object.entries(LIES)) {
    test(what, async () => {
      const survived = await survive({ args: ["get", ":x", "x"], says: [...says, FILE, small("."), RESULT] });
      expect([survived.code, survived.status]).toEqual(["protocol", 1]);
    });
  }

  test("the end in the middle of a frame: 6", async () => {
    const says: Script = (peer) => {
      say(peer, whole.subarray(0, 10));
      peer.channel.end();
    };
    const { code, status } = await survive({ args: ["get", ":x", "x"], says });
    expect([code, status]).toEqual(["lost", 6]);
  });

  test("their twin: packed frames that are well", async () => {
    const both = Buffer.concat([whole, encodeFrame(entry(".", { digest: sha256(FIVE) }), FIVE)]);
    const says = [packed(both.length, zstd(both)), RESULT];
    const { status, landed } = await survive({ args: ["get", ":x", "x"], says, mayChange: /^work\/x$/ });
    expect([status, landed]).toEqual([0, { "work/x": sha256(FIVE) }]);
  });
});

describe("a greeting that is none", () => {
  const LIES: Record<string, [code: string, status: number, greets: Said[]]> = {
    "a header that is too long for a first one": [
      "protocol",
      1,
      [JSON.stringify({ ...GREETING, pad: "x".repeat(4096) })],
    ],
    "a packed one, before anything is agreed": ["protocol", 1, [packed(whole.length, zstd(whole))]],
    "another version": ["version", 5, [{ ...GREETING, min: 2, max: 9 }]],
    "a need that nobody has": ["version", 5, [{ ...GREETING, must: ["magic"], magic: 1 }]],
    "65 capabilities": ["protocol", 1, [{ ...GREETING, caps: Array.from({ length: 65 }, () => "get") }]],
    "no get": ["capability", 4, [{ ...GREETING, caps: ["ls"], key: CONTROLS }]],
    "a file": ["protocol", 1, [FILE]],
    "two of them": ["protocol", 1, [GREETING, GREETING]],
    "a refusal with control characters": [
      "revoked",
      4,
      [{ type: "error", code: "revoked", message: CONTROLS }],
    ],
  };
  for (const [what, [code, status, greets]] of Object.entries(LIES)) {
    test(what, async () => {
      const survived = await survive({ args: ["get", ":x", "x"], greets, says: [FILE, RESULT] });
      expect([survived.code, survived.status]).toEqual([code, status]);
    });
  }
});

describe("control characters", () => {
  const problem = { code: "policy", message: CONTROLS, hint: CONTROLS };
  const TEXTS: Record<string, [status: number, says: Said[]]> = {
    "in an error": [4, [{ type: "error", ...problem }]],
    "in an error's code": [1, [{ type: "error", ...problem, code: CONTROLS }]],
    "in a source that failed": [4, [{ ...FILE, kind: "failed", ...problem }, RESULT]],
    "in the reason for a stop of the server": [
      6,
      [
        { type: "closing", reason: CONTROLS },
        { type: "error", ...problem, code: "draining" },
      ],
    ],
    "in what is skipped": [
      0,
      [FOLDER, { type: "missed", source: 0, path: `f${CONTROLS}`, skipped: true, ...problem }, RESULT],
    ],
    "in names that are refused": [4, [FOLDER, small(`../${CONTROLS}`), RESULT]],
    "in an error as long as a header": [
      1,
      [{ type: "error", code: "failed", message: CONTROLS.repeat(900) }],
    ],
  };
  for (const [what, [status, says]] of Object.entries(TEXTS)) {
    test(what, async () => {
      expect((await survive({ args: ["get", ":d", "t"], says, mayChange: /^work\/t$/ })).status).toBe(status);
    });
  }

  test("in names that are fine: escaped for people, exact in --json and on the disk", async () => {
    const name = CONTROLS.replace("\x9b", "\u009b");
    const says = [FOLDER, small(name), RESULT];
    const survived = await survive({ args: ["get", ":d", "t", "-v"], says, mayChange: /^work\/t/ });
    expect(survived.status).toBe(0);
    expect(survived.landed[`work/t/${Buffer.from(name).toString("latin1")}`]).toBe(sha256(FIVE));
    expect(survived.events.map(({ path }) => path)).toEqual([`t/${name}`, undefined]);
    expect(survived.stderr).toContain("\\x1b]52");
  });

  test("nothing of them reaches a terminal", async () => {
    await using client = await temporaryFolder();
    using server = scriptedServer((peer) => {
      say(peer, FOLDER, small(CONTROLS), small(`../${CONTROLS}`, 1));
      peer.send({ type: "error", ...problem });
    });
    const options = { env: { SOCK_JOIN: server.join }, home: client.path, terminal: true };
    await using get = await start(["get", ":d", "t", "-v", "--retry", "0s"], options);
    expect(await get.ended()).toBe(4);
    // our own sequences only: to the beginning of the line, and clear it
    // oxlint-disable-next-line no-control-regex -- control characters are what it looks for
    expect(get.stdout().replace(/\r\n|\r|\n|\x1b\[(?:K|\d*m|2K|\?25[hl])/g, "")).not.toMatch(CONTROL);
    expect(get.stdout()).toContain("\\x1b]52");
  });
});

/** Says the same again and again, as fast as the client takes it. */
const endless =
  (first: readonly Said[], again: (n: number) => Said): Script =>
  async (peer: Peer) => {
    say(peer, ...first);
    for (let n = 0; peer.channel.failure === undefined; n++) {
      say(peer, again(n));
      if (n % 100 === 0) {
        await peer.channel.ready();
        // what the client says, and that it has gone
        await Bun.sleep(0);
      }
    }
  };

describe("no end: given up by itself, in flat memory, and the old file stays", () => {
  const part = zstd(new Uint8Array(256 * MiB));
  const bomb = Buffer.concat([part, part, part, part]);
  const block = new Uint8Array(MiB);
  const FLOODS: Record<string, Script> = {
    "a packed bomb of 1 GiB": endless([packed(MiB, bomb)], () => packed(MiB, bomb)),
    "a packed bomb of 256 MiB": endless([], () => packed(MiB, part)),
    "more bytes than declared": endless([FILE, entry(".")], () => [{ type: "data", entry: 0 }, block]),
    "bytes of no entry": endless([FILE], () => [{ type: "data", entry: 0 }, block]),
    proofs: endless([FILE, entry(".")], () => [{ type: "proof", entry: 0 }, block]),
    ends: endless([FILE], () => ({ type: "end", entry: 0, bytes: 5, digest: sha256(FIVE) })),
    sources: endless([FILE], () => FILE),
    offers: endless([FOLDER], (n) => entry(`f${n}`, { entry: n, offer: true })),
  };
  for (const [what, script] of Object.entries(FLOODS)) {
    test(
      what,
      async () => {
        const dest = what === "offers" ? "t" : "x";
        const ran = await watched(["get", ":x", dest, "-q"], script);
        expect(ran.status).toBe(1);
        expect(ran.peak).toBeLessThan(300 * MiB);
        expect(ran.tree["x"]).toBe(sha256(Buffer.from(OLD)));
      },
      15_000,
    );
  }

  test("more bytes than declared, to stdout", async () => {
    const says = endless([FILE, entry(".")], () => [{ type: "data", entry: 0 }, block]);
    const ran = await watched(["get", ":x", "-", "-q"], says);
    expect(ran.status).toBe(1);
    expect(ran.stdoutBytes).toBeLessThan(3 * MiB);
  });
});

describe("no end that a limit could know: --timeout and Ctrl-C end it, in flat memory", () => {
  const MUCH: Record<string, Script> = {
    silence: async (peer) => void (await peer.until()),
    "silence in the middle of a file": async (peer) => {
      say(peer, FILE, entry("."));
      await peer.until();
    },
    "a byte now and then": async (peer) => {
      say(peer, FILE, entry(".", { length: 1e6 }));
      while (peer.channel.failure === undefined) {
        say(peer, [{ type: "data", entry: 0 }, Buffer.from("x")]);
        await Bun.sleep(20);
      }
    },
    pings: endless([FILE], (n) => ({ type: "ping", n })),
    "words that it stops": endless([FILE], () => ({ type: "closing", reason: CONTROLS })),
    "entries that are refused": endless([FOLDER], (n) => small(`../f${n}`, n)),
    files: endless([FOLDER], (n) => small(`f${n}`, n)),
  };
  for (const [what, script] of Object.entries(MUCH)) {
    test.concurrent(
      what,
      async () => {
        const dest = /entries|files/.test(what) ? "t" : "x";
        const ran = await watched(["get", ":x", dest, "-q", "--timeout", "1s"], script);
        expect(ran.status).toBe(6);
        expect(ran.ms).toBeLessThan(4000);
        expect(ran.peak).toBeLessThan(300 * MiB);
        expect(ran.tree["x"]).toBe(sha256(Buffer.from(OLD)));
        expect(Object.keys(ran.tree).filter((path) => !/^(x|t|t\/f\d+|sock)$/.test(path))).toEqual([]);
      },
      15_000,
    );
  }

  test("a server that takes nothing of a put", async () => {
    const { promise: paused, resolve } = Promise.withResolvers<void>();
    const ran = await watched(
      ["put", "-", ":big", "-q"],
      (peer) => {
        peer.channel.connection.pause();
        resolve();
      },
      async (child) => {
        await paused;
        child.kill("SIGINT");
      },
    );
    expect(ran.status).toBe(130);
  });
});

for (const verb of ["get", "put"]) {
  test(`${verb}: a server that greets and hangs up, again and again: given up after --retry, with 6`, async () => {
    await using client = await temporaryFolder();
    await Bun.write(client.join("x"), OLD);
    let times = 0;
    using server = scriptedServer((peer) => {
      times += 1;
      peer.channel.end();
    });
    const options = { env: { SOCK_JOIN: server.join }, home: client.path };
    const began = performance.now();
    const args = verb === "get" ? ["get", ":x", "x"] : ["put", "x", ":x"];
    await using child = await start([...args, "-q", "--retry", "1s"], options);
    expect(await child.ended()).toBe(6);
    expect(performance.now() - began).toBeLessThan(5000);
    expect(times).toBeGreaterThan(2);
    expect(await Bun.file(client.join("x")).text()).toBe(OLD);
  });
}
