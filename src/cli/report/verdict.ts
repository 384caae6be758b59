/** What a run came to, in one line and a few more. */
import type { SockError } from "../../errors.ts";
import { isMet, type Threshold } from "../../measure/verdict.ts";
import { LEAST_KEPT, missedWords, slowWords } from "../thresholds.ts";
import type { Verdict } from "./page.ts";
import { whole } from "./tables.ts";

export interface Ran {
  readonly limits: readonly Threshold[];
  /** What ended it early, or makes it worth nothing. */
  readonly problem: SockError | undefined;
  readonly complete: boolean;
  readonly sent: number;
  readonly count: number;
  /** What one is called: datagram. */
  readonly unit: string;
  /** Percent of the schedule; null where there was none. */
  readonly kept: number | null;
}

export function verdictOfRun({ limits, problem, complete, sent, count, unit, kept }: Ran): Verdict {
  const missed = limits.filter((one) => !isMet(one));
  const lines = missed.map((one) => `${one.name}: ${missedWords(one)}`);
  if (!complete && sent < count)
    lines.unshift(`not complete: ${whole(sent)} of ${whole(count)} ${unit}s were sent`);
  if (problem !== undefined) {
    if (problem.hint !== undefined) lines.unshift(problem.hint);
    return { mood: complete ? "warn" : "bad", title: problem.message, lines };
  }
  if (kept !== null && kept < LEAST_KEPT) lines.push(slowWords(kept));
  if (missed.length > 0) {
    const which = limits.length === 1 ? "The limit is" : `${missed.length} of ${limits.length} limits`;
    return { mood: "bad", title: `${which} missed`, lines };
  }
  if (limits.length === 0) return { mood: "none", title: "No limit was stated", lines };
  const all = ["", "The limit is", "Both limits are"][limits.length] ?? `All ${limits.length} limits are`;
  return { mood: "good", title: `${all} met`, lines };
}
