/**
 * Amounts as people write and read them. Decimal units are powers of 1000 (k, kB, MB…), binary ones of 1024 (KiB, MiB…:
 * IEC 80000-13); what we print is decimal. Letters may be of either case, and B is always bytes.
 */
import { SockError } from "../errors.ts";

const KILO = 1000;
const KIBI = 1024;
const BYTE_UNITS = ["B", "kB", "MB", "GB", "TB", "PB"] as const;
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const BYTES = /^(\d{1,16})(?:\.(\d{1,9}))?\s*(?:([kmgtp])(i?)b?|b)?$/i;
const DURATION = /^(\d{1,12}(?:\.\d{1,9})?)\s*(us|µs|ms|s|min|m|h|d)$/i;
const DURATION_UNITS: ReadonlyMap<string, number> = new Map([
  ["us", 0.001],
  ["µs", 0.001],
  ["ms", 1],
  ["s", SECOND],
  ["m", MINUTE],
  ["min", MINUTE],
  ["h", HOUR],
  ["d", DAY],
]);

/** "0 B", "1.5 GB", "412 MB": two digits below 10, else no fraction. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  // What would round to 1000 of a unit is 1.0 of the next.
  while (unit < BYTE_UNITS.length - 1 && Math.round(value) >= KILO) {
    value /= KILO;
    unit++;
  }
  return `${unit === 0 ? Math.round(value) : short(value)} ${BYTE_UNITS[unit]}`;
}

/** "98 MB/s". A rate over no time at all is unknown: "- B/s". */
export function formatRate(bytesPerSecond: number): string {
  return Number.isFinite(bytesPerSecond) ? `${formatBytes(bytesPerSecond)}/s` : "- B/s";
}

/** "180 ms", "4.2 s", "42 s", "3 min 12 s", "2 h 5 min", "7 d 1 h". */
export function formatDuration(ms: number): string {
  if (Math.round(ms) < SECOND) return `${Math.round(ms)} ms`;
  if (Math.round(ms / SECOND) < 60) return `${short(ms / SECOND)} s`;
  if (Math.round(ms / SECOND) * SECOND < HOUR) return pair(ms, MINUTE, "min", SECOND, "s");
  if (Math.round(ms / MINUTE) * MINUTE < DAY) return pair(ms, HOUR, "h", MINUTE, "min");
  return pair(ms, DAY, "d", HOUR, "h");
}

/** "64", "10k", "1.5MB", "4KiB" as whole bytes. Throws `usage`, also for parts of a byte and beyond 2^53. */
export function parseBytes(text: string): number {
  const found = BYTES.exec(text.trim());
  if (found === null) throw new SockError("usage", "not an amount of bytes", "write 64, 10k, 1.5MB or 4KiB");
  const [, whole = "", fraction = "", letter = "", binary = ""] = found;
  const power = " kmgtp".indexOf(letter === "" ? " " : letter.toLowerCase());
  // In whole numbers, because 1.1 x 1000 is not 1100 in floating point.
  const scaled = BigInt(whole + fraction) * BigInt(binary === "" ? KILO : KIBI) ** BigInt(power);
  const divisor = 10n ** BigInt(fraction.length);
  if (scaled % divisor !== 0n) throw new SockError("usage", "an amount of bytes must be whole");
  const bytes = Number(scaled / divisor);
  if (!Number.isSafeInteger(bytes)) throw new SockError("usage", "an amount of bytes is too large");
  return bytes;
}

/** "200ms", "30s", "2 min", "1h", "7d" in ms, which may have a fraction ("0.5ms", "250us"); "0" is 0. Throws `usage`. */
export function parseDuration(text: string): number {
  const trimmed = text.trim();
  if (trimmed === "0") return 0;
  const [, amount = "", unit = ""] = DURATION.exec(trimmed) ?? [];
  const factor = DURATION_UNITS.get(unit.toLowerCase());
  if (factor === undefined) {
    const meant = /^\d{1,6}$/.test(trimmed) ? `which unit? ${trimmed}ms or ${trimmed}s` : undefined;
    throw new SockError("usage", "not a duration", meant ?? "write 200ms, 30s, 2min, 1h or 7d");
  }
  // To the nanosecond: what is left of 1.1 x 1000 = 1100.0000000000002 goes.
  const ms = Math.round(Number(amount) * factor * 1e6) / 1e6;
  if (ms > Number.MAX_SAFE_INTEGER) throw new SockError("usage", "a duration is too long");
  return ms;
}

function short(value: number): string {
  return value < 9.95 ? value.toFixed(1) : Math.round(value).toString();
}

function pair(ms: number, large: number, largeUnit: string, small: number, smallUnit: string): string {
  const total = Math.round(ms / small);
  const rest = total % (large / small);
  const count = Math.floor(total / (large / small));
  return rest === 0 ? `${count} ${largeUnit}` : `${count} ${largeUnit} ${rest} ${smallUnit}`;
}
