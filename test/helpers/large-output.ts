/** Writes as many bytes as it is told through the Ui of sock, then leaves as main does: for tests of a slow or closed stdout. */
import { Ui } from "../../src/cli/ui.ts";

const PIECE = 100_000;

const ui = new Ui({ verbosity: 0, env: {} });
let left = Number(process.argv[2]);
while (left > 0) {
  const size = Math.min(PIECE, left);
  // not awaited: what is waiting at the end is what `drain` is for
  ui.data(new Uint8Array(size)).catch(() => undefined);
  left -= size;
}
await ui.drain();
process.exit(ui.stdout.failure === undefined ? 0 : 1);
