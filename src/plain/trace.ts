/** `--trace`: every read and write as it was, so that what TCP glued together or cut apart becomes visible. */

/** Bytes in one line of hex, and most of one read or write that are shown. */
const ROW = 16;
const SHOWN = 256;

export interface Traced {
  /** ms since 1970, with a fraction. */
  readonly time: number;
  readonly peer: string;
  readonly direction: "read" | "write" | "open" | "end" | "reset";
  readonly bytes: Uint8Array;
}

export type Trace = (traced: Traced) => void;

/** ms since 1970, to the microsecond. */
export function preciseNow(): number {
  return performance.timeOrigin + performance.now();
}

const ARROWS = { read: "<", write: ">", open: "open", end: "end", reset: "reset" } as const;

/** `12:00:00.123456  127.0.0.1:5000  <  5 B`, then rows of hex and ASCII. */
export function traceLines({ time, peer, direction, bytes }: Traced): string[] {
  const at = `${new Date(time).toTimeString().slice(0, 8)}.${String(Math.floor((time % 1000) * 1000)).padStart(6, "0")}`;
  const head = `${at}  ${peer}  ${ARROWS[direction]}`;
  if (direction !== "read" && direction !== "write") return [head];
  const rows: string[] = [];
  for (let from = 0; from < Math.min(bytes.length, SHOWN); from += ROW) {
    rows.push(row(from, bytes.subarray(from, Math.min(from + ROW, SHOWN))));
  }
  if (bytes.length > SHOWN) rows.push(`    … ${bytes.length - SHOWN} bytes more`);
  return [`${head}  ${bytes.length} B`, ...rows];
}

function row(from: number, bytes: Uint8Array): string {
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
  const text = Array.from(bytes, (byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "."));
  return `    ${from.toString(16).padStart(4, "0")}  ${hex.padEnd(ROW * 3 - 1)}  ${text.join("")}`;
}
