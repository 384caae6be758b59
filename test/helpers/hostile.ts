/** A trick of a hostile server: what it says, and how a client gets over it without harm to anything beside its destination. */
import { expect } from "bun:test";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { encodeFrame, type Header } from "../../src/protocol/frame.ts";
import { start } from "./child.ts";
import { events, resultOf, sock } from "./run.ts";
import { type Peer, scriptedServer } from "./scripted.ts";
import { temporaryFolder } from "./temp.ts";
import { treeOf } from "./tree.ts";

export const MiB = 1024 * 1024;
export const OLD = "the old file";
/** Copies to the clipboard, clears the screen, begins a line, turns colours and direction. */
export const CONTROLS = "\x1b]52;c;b3du\x07\x1b[2J\r\n\x9b31m\u202e";
// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
export const CONTROL = /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/;
/** The client of a hostile server has ended by then, ms. */
const END_MS = 8_000;

export const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** A header and its body; a header that our own encoder would refuse, as text; bytes as they are. */
export type Said = Header | WithBody | string | Uint8Array;
type WithBody = readonly [header: Header | string, body: Uint8Array];
export type Script = (peer: Peer, request: Header) => Promise<void> | void;

export interface Trick {
  readonly args: readonly string[];
  readonly says: readonly Said[] | Script;
  /** For `--retry`, where the trick needs a second connection. */
  readonly retry?: string;
  /** In the place of the greeting. */
  readonly greets?: readonly Said[];
  /** Paths below the client's folder that may change. */
  readonly mayChange?: RegExp;
}

export interface Survived {
  readonly status: number | null;
  readonly code: unknown;
  /** What is new, changed or gone where that is allowed. */
  readonly landed: Record<string, string>;
  readonly events: Record<string, unknown>[];
  readonly stderr: string;
}

/** One frame in bytes, whatever its header is. */
export function frame(header: string, body: Uint8Array = new Uint8Array(0)): Uint8Array<ArrayBuffer> {
  const text = Buffer.from(header);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(text.length);
  return new Uint8Array(Buffer.concat([length, text, body]));
}

/** Says it all in one write, so that nothing of what the client does comes between. */
export function say(peer: Peer, ...all: readonly Said[]): void {
  peer.channel.connection.write(Buffer.concat(all.map(bytesOf)));
}

function bytesOf(said: Said): Uint8Array {
  if (said instanceof Uint8Array) return said;
  if (typeof said === "string") return frame(said);
  if (!isWithBody(said)) return encodeFrame(said);
  return typeof said[0] === "string" ? frame(said[0], said[1]) : encodeFrame(said[0], said[1]);
}

function isWithBody(said: Header | WithBody): said is WithBody {
  return Array.isArray(said);
}

/** Says all at once, then reads to the end. */
export function saying(said: readonly Said[]): Script {
  return async (peer) => {
    say(peer, ...said);
    await peer.until();
    peer.channel.end();
  };
}

/** Answers each of the client's messages as it comes. */
export function answering(answers: (header: Header) => readonly Said[]): Script {
  return async (peer, request) => {
    let header: Header | undefined = request;
    for (; header !== undefined; header = await peer.next()) {
      say(peer, ...answers(header));
    }
    peer.channel.end();
  };
}

/**
 * Runs the client twice against it, for programs and for people: a victim lies outside, an old file where the client
 * works. Nothing may change but what the trick allows, and no control character reaches the terminal.
 */
export async function survive({ args, says, greets, mayChange, retry = "0s" }: Trick): Promise<Survived> {
  const script = typeof says === "function" ? says : saying(says);
  const run = async (more: string[]) => {
    await using client = await temporaryFolder();
    await mkdir(client.join("work", "sock"), { recursive: true });
    await mkdir(client.join("outside"));
    await writeFile(client.join("outside", "victim"), OLD);
    await writeFile(client.join("work", "x"), OLD);
    await mkdir(client.join("work", "own"));
    await symlink("../../outside", client.join("work", "own", "out"));
    await mkdir(client.join("work", "d"));
    await writeFile(client.join("work", "d", "a"), "12345");
    await writeFile(client.join("work", "d", "b"), "12345");
    if (args.includes("big")) await writeFile(client.join("work", "big"), new Uint8Array(2 * MiB));
    const greet = greets === undefined ? undefined : (peer: Peer) => say(peer, ...greets);
    using server = scriptedServer(script, greet);
    const before = treeOf(client.path);
    const began = performance.now();
    const ran = await sock([...args, "--retry", retry, ...more], {
      env: { SOCK_JOIN: server.join },
      cwd: client.join("work"),
      home: client.join("work"),
      timeout: END_MS,
    });
    expect(performance.now() - began).toBeLessThan(END_MS);
    const landed: Record<string, string> = {};
    const after = treeOf(client.path);
    for (const path of new Set([...Object.keys(before), ...Object.keys(after)])) {
      if (mayChange?.test(path) !== true) expect({ [path]: after[path] }).toEqual({ [path]: before[path] });
      else if (before[path] !== after[path]) landed[named(path)] = after[path] ?? "gone";
    }
    return { ...ran, landed };
  };
  const [words, json] = await Promise.all([run([]), run(["--json"])]);
  expect(json.stderr).not.toMatch(CONTROL);
  expect(words.stderr).not.toMatch(CONTROL);
  expect(words.stdout).not.toMatch(CONTROL);
  expect(words.stderr.length).toBeLessThan(4000);
  expect(words.status).toBe(json.status);
  expect(words.landed).toEqual(json.landed);
  const { status, stdout, landed } = json;
  return { status, code: resultOf(stdout)["code"], landed, events: events(stdout), stderr: words.stderr };
}

/** The name of a partial file is another one for each server. */
function named(path: string): string {
  return path.replace(/(?<=\.sock-partial\/).*/, "part");
}

export interface Watched {
  readonly status: number | null;
  /** Most memory that it had, bytes. */
  readonly peak: number;
  readonly ms: number;
  readonly stderr: string;
  readonly stdoutBytes: number;
  readonly tree: Record<string, string>;
}

/** Runs the client beside an old file `x`, and looks at its memory until it ends. `after`: what is done to it meanwhile. */
export async function watched(
  args: readonly string[],
  script: Script,
  meanwhile?: (process: Bun.Subprocess) => Promise<void>,
): Promise<Watched> {
  await using client = await temporaryFolder();
  await mkdir(client.join("work", "sock"), { recursive: true });
  await writeFile(client.join("work", "x"), OLD);
  using server = scriptedServer(script);
  const options = { env: { SOCK_JOIN: server.join }, cwd: client.join("work"), home: client.join("work") };
  const began = performance.now();
  await using child = await start([...args, "--retry", "0s"], options);
  let peak = 0;
  const look = setInterval(() => {
    peak = Math.max(peak, highWater(child.process.pid));
  }, 5);
  try {
    await meanwhile?.(child.process);
    const status = await child.ended();
    const ms = performance.now() - began;
    const tree = treeOf(client.join("work"));
    return { status, peak, ms, stderr: child.stderr(), stdoutBytes: child.bytes().length, tree };
  } finally {
    clearInterval(look);
  }
}

function highWater(pid: number): number {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024;
  } catch {
    // it has ended
    return 0;
  }
}
