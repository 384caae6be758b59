/**
 * The dialogue in PROTOCOL.md, byte for byte, made by the real encoder: `bun scripts/vectors/dialogue.ts` prints it.
 *
 * Each frame is a line with who sends it (C or S), its header, and after a + its body as a JSON string, if it has one; then
 * lines with all its bytes in hex, two spaces in front.
 */
import { encodeFrame } from "../../src/protocol/frame.ts";
import type { ClientMessage, ServerMessage } from "../../src/protocol/messages.ts";

type Turn = { readonly body?: string } & (
  | { readonly from: "C"; readonly message: ClientMessage }
  | { readonly from: "S"; readonly message: ServerMessage }
);

const HEX_BYTES_A_LINE = 40;

const TEXT = "hello";
const FILE = "one\ntwo\n";
const digest = new Bun.CryptoHasher("sha256").update(FILE).digest("hex");
const file = {
  kind: "file",
  length: FILE.length,
  mtime: 1_795_225_320_000_000,
  mode: 0o600,
  digest,
  size: FILE.length,
} as const;
const counts = { files: 1, bytes: FILE.length, skipped: 0, failed: 0 } as const;

const TURNS: readonly Turn[] = [
  {
    from: "C",
    message: {
      type: "hello",
      min: 1,
      max: 1,
      sock: "0.1.0",
      features: ["zstd"],
      run: "000102030405060708090a0b0c0d0e0f",
      platform: "linux",
      name: "kai-laptop",
    },
  },
  {
    from: "S",
    message: {
      type: "hello",
      min: 1,
      max: 1,
      sock: "0.1.0",
      features: ["zstd"],
      platform: "linux",
      name: "web1",
      caps: ["echo", "put", "get"],
      encoding: "utf-8",
      limits: { header: 65_536, body: 1_048_576 },
      key: "kai-laptop",
    },
  },
  { from: "C", message: { type: "echo", size: TEXT.length, seq: 0 }, body: TEXT },
  { from: "S", message: { type: "echo", size: TEXT.length, seq: 0 }, body: TEXT },
  {
    from: "C",
    message: {
      type: "put",
      to: "notes/",
      digest: "sha256",
      on_exists: "replace",
      verify: false,
      sync: false,
      checksum: false,
      dry: false,
      atomic: false,
      compress: "auto",
    },
  },
  { from: "C", message: { type: "entry", entry: 0, path: "a.txt", ...file }, body: FILE },
  { from: "S", message: { type: "ready", fresh: true } },
  {
    from: "S",
    message: { type: "done", entry: 0, bytes: FILE.length, digest, action: "new", path: "notes/a.txt" },
  },
  { from: "C", message: { type: "finish" } },
  { from: "S", message: { type: "result", ...counts } },
  {
    from: "C",
    message: {
      type: "get",
      paths: [{ path: "notes/a.txt" }],
      digest: "sha256",
      links: "keep",
      compress: "auto",
      fresh: true,
    },
  },
  { from: "S", message: { type: "source", source: 0, kind: "file" } },
  { from: "S", message: { type: "entry", entry: 0, path: ".", source: 0, ...file }, body: FILE },
  {
    from: "C",
    message: { type: "done", entry: 0, bytes: FILE.length, digest, action: "new", path: "" },
  },
  { from: "S", message: { type: "result", ...counts } },
  { from: "C", message: { type: "finish" } },
  { from: "C", message: { type: "bye" } },
];

/** The block of PROTOCOL.md, without its fences; ends with a newline. */
export function dialogue(): string {
  return TURNS.map(({ from, message, body }) => {
    const bytes = body === undefined ? undefined : new TextEncoder().encode(body);
    const shown = body === undefined ? "" : ` + ${JSON.stringify(body)}`;
    return `${from} ${JSON.stringify(message)}${shown}\n${hex(encodeFrame(message, bytes))}`;
  }).join("");
}

function hex(bytes: Uint8Array): string {
  let lines = "";
  for (let at = 0; at < bytes.length; at += HEX_BYTES_A_LINE) {
    lines += `  ${bytes.subarray(at, at + HEX_BYTES_A_LINE).toHex()}\n`;
  }
  return lines;
}

if (import.meta.main) process.stdout.write(dialogue());
