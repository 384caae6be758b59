/** One valid header of each type, with every optional key somewhere; both directions. */
import type { ClientMessage, ServerMessage } from "../../src/protocol/messages.ts";

const hello = {
  type: "hello",
  min: 1,
  max: 2,
  sock: "1.0.0",
  features: ["resume", "tty"],
  platform: "linux-x64",
  name: "kai-laptop",
} as const;
const digest = "9f".repeat(32);

const file = {
  type: "entry",
  kind: "file",
  path: "a/b.txt",
  length: 10,
  mtime: 1_700_000_000_000_000,
  mode: 0o644,
} as const;

const counts = {
  type: "counts",
  answered: 1,
  corrupt: 2,
  limited: 3,
  duplicates: 4,
  reordered: 5,
  extent: 6,
  moved: 7,
  unsent: 9,
} as const;

const common = [
  { type: "ping", n: 0 },
  { type: "pong", n: 7 },
  { type: "bye" },
  { type: "error", code: "not-found", message: "no such file" },
  { type: "error", code: "policy", message: "no", hint: "ask" },
  { type: "echo", size: 4, seq: 1 },
  { ...file, entry: 0 },
  { type: "entry", entry: 1, kind: "file", path64: "//4=", length: null, mtime: null, mode: null },
  { ...file, entry: 2, offer: true, again: true },
  { ...file, entry: 3, source: 1, offer: true, digest },
  { ...file, entry: 4, source: 0, digest: "0123456789abcdef", size: 10 },
  { ...file, entry: 5, resume: 10 },
  { type: "entry", entry: 6, kind: "folder", path: ".", source: 2, mtime: -1, mode: 0o755 },
  { type: "entry", entry: 7, kind: "link", path: "a/l", target: "../b", mtime: 0, mode: null },
  { type: "entry", entry: 8, kind: "link", path: "l", source: 0, target64: "//4=", mtime: 0, mode: 0o777 },
  { type: "data", size: 0, entry: 0 },
  { type: "proof", size: 8, entry: 5 },
  { type: "end", entry: 0, bytes: 10, digest },
  { type: "abort", entry: 0, code: "changed" },
  { type: "want", entry: 2, have: 10 },
  { type: "from", entry: 5, at: 0 },
  { type: "stop", entry: 0, code: "no-space", message: "full", hint: "free some" },
  { type: "done", entry: 0, bytes: 10, digest, action: "replaced", path: "x/b.txt" },
  { type: "done", entry: 1, bytes: 0, digest: "", action: "skipped", path: "x" },
  { type: "done", entry: 2, bytes: 10, digest: "", action: "same", path: "x" },
] as const satisfies readonly (ClientMessage & ServerMessage)[];

export const clientSamples: readonly ClientMessage[] = [
  ...common,
  { ...hello, run: "0123456789abcdef".repeat(2) },
  { type: "enrol", spki: "AAEC", name: "kai-laptop" },
  { type: "put", to: "releases/", digest: "sha256", on_exists: "replace" },
  { type: "put", to: "", digest: "xxh3-64k", on_exists: "skip", verify: true, sync: false },
  {
    type: "put",
    to: "www/",
    digest: "sha256",
    on_exists: "replace",
    checksum: true,
    dry: false,
    atomic: true,
    compress: "auto",
  },
  { type: "finish" },
  {
    type: "get",
    paths: [{ path: "a" }, { path64: "//4=" }],
    digest: "xxh3-64k",
    links: "keep",
    compress: "never",
    fresh: false,
  },
  { type: "ls", path: "", recursive: true, self: false },
  { type: "ls", path64: "//4=", self: true },
  { type: "udp", count: 100, interval: 10_000_000, bytes: 64 },
  { type: "counts", final: true },
];

export const serverSamples: readonly ServerMessage[] = [
  ...common,
  { ...hello, caps: ["put", "get"], encoding: "gbk", limits: { header: 65_536, body: 1_048_576 }, key: "ci" },
  { ...hello, caps: [], encoding: null, limits: { header: 4096, body: 0 }, key: "" },
  { type: "enrolled", name: "kai", caps: ["put"], scope: "a/b", expires: 1_800_000_000_000 },
  { type: "enrolled", name: "kai", caps: [], scope: "", expires: null },
  { type: "ready", fresh: true },
  { type: "source", source: 0, kind: "folder" },
  { type: "missed", source: 0, path: "a/fifo", skipped: true, code: "not-file", message: "a device" },
  { type: "missed", source: 1, path64: "//4=", code: "permission", message: "no", hint: "ask" },
  { type: "source", source: 1, kind: "failed", code: "not-found", message: "none", hint: "look" },
  { type: "result", files: 1, bytes: 2, skipped: 3, failed: 4 },
  { type: "item", path: ".", kind: "folder", length: 0, mtime: null, mode: 0o755, error: "permission" },
  { type: "item", path: "a/l", kind: "link", length: null, mtime: -1, mode: null, target: "../b" },
  { type: "item", path64: "//4=", kind: "link", length: 2, mtime: 0, mode: 0o777, target64: "//4=" },
  { type: "udp", cookie: "0123456789abcdef".repeat(2), key: "QkJC".repeat(10) + "QkI=" },
  { ...counts, drops: null, peer: null, other: null },
  { ...counts, drops: 8, peer: "192.0.2.7:4000", other: "[2001:db8::1]:4001" },
  { type: "closing", reason: "told to stop" },
];
