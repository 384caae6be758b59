/**
 * Keeps two servers that answer answers from talking for ever, when somebody has forged a first datagram (CVE-2024-2169). A
 * datagram that goes round is the same each time, and there is nothing else of it on the way: one that is not answered ends it.
 * A client that sends the same again and again loses as much.
 */
import { Allowance } from "../measure/arrivals.ts";
import { LOOP_BUDGET, LOOP_FORGET_MS, LOOP_LATER, LOOP_SAME, MAX_LOOP_SOURCES } from "./limits.ts";

interface Seen {
  times: number;
  at: number;
}

export class LoopGuard {
  readonly #seen = new Map<string, Seen>();
  readonly #budgets = new Map<string, Allowance>();

  /** Whether a datagram is to be answered; `now` in ms, of a monotonic clock. */
  admits(ip: string, port: number, bytes: Uint8Array, now: number): "yes" | "budget" | "loop" {
    if (isLoopback(ip)) return "yes";
    let budget = this.#budgets.get(ip);
    if (budget === undefined) {
      budget = new Allowance(LOOP_BUDGET, LOOP_BUDGET, now);
      remember(this.#budgets, ip, budget);
    }
    if (!budget.take(now)) return "budget";
    const key = `${ip} ${port} ${bytes.length} ${Bun.hash(bytes)}`;
    const seen = this.#seen.get(key);
    if (seen === undefined || now - seen.at > LOOP_FORGET_MS) {
      this.#seen.delete(key);
      remember(this.#seen, key, { times: 1, at: now });
      return "yes";
    }
    seen.times += 1;
    seen.at = now;
    return seen.times === LOOP_SAME || seen.times % LOOP_LATER === 0 ? "loop" : "yes";
  }
}

/** Nobody but this machine sends from there. */
function isLoopback(ip: string): boolean {
  return ip.startsWith("127.") || ip === "::1" || ip.startsWith("::ffff:127.");
}

/** Where there are too many, all are forgotten: one by one would cost a search each. */
function remember<Value>(map: Map<string, Value>, key: string, value: Value): void {
  if (map.size >= MAX_LOOP_SOURCES) map.clear();
  map.set(key, value);
}
