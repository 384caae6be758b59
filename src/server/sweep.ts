import { asSockError } from "../errors.ts";
import { sweepPartials } from "../files/sweep.ts";
import type { Report } from "./events.ts";
import type { Shares } from "./shares.ts";

/** Partial files are looked for this often, ms. */
const SWEEP_MS = 3_600_000;

/** Removes expired partial files from the served folders, now and each hour. */
export function sweepShares(shares: Shares, report: Report): { stop(): void } {
  const sweep = async (): Promise<void> => {
    for (const root of shares.roots) await sweepPartials(root, Date.now());
  };
  const run = (): void => {
    sweep().catch((thrown: unknown) => report({ type: "warning", what: asSockError(thrown).message }));
  };
  run();
  const timer = setInterval(run, SWEEP_MS);
  return { stop: () => clearInterval(timer) };
}
