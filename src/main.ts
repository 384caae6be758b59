/** argv -> run -> exit code. The only process.exit, the only catch-all. */
import { Json } from "./cli/json.ts";
import { Signals } from "./cli/signals.ts";
import { outputOptions, prepare } from "./cli/run.ts";
import { Ui } from "./cli/ui.ts";
import { asSockError, SockError, STATUS } from "./errors.ts";

/** After `--timeout` a verb has this long to leave by itself, ms. */
const LEAVE_MS = 2000;

const options = outputOptions(process.argv.slice(2));
const ui = new Ui({ verbosity: options.verbosity, env: process.env });
const json = new Json(ui, options.json);
const abort = new AbortController();
let leaving = false;
/** Status of every failure of our own, where a verb's statuses are a remote command's. */
let failureStatus: number | undefined;

const signals = new Signals();
process.on("SIGINT", () => signals.came("SIGINT") || stop(new SockError("interrupted", "interrupted")));
process.on("SIGTERM", () => signals.came("SIGTERM") || stop(new SockError("terminated", "terminated")));
process.on("uncaughtException", (error) => void fail(asSockError(error)));
process.on("unhandledRejection", (error) => void fail(asSockError(error)));
ui.stdout.onFailure = (failure) => abort.abort(outputError(failure));

void main();

async function main(): Promise<void> {
  try {
    const run = await prepare(process.argv.slice(2), process.env, ui, json, (verb) => {
      ({ failureStatus } = verb);
    });
    if (run.timeoutMs !== undefined) setTimeout(giveUp, run.timeoutMs).unref();
    await leave(await run.start(abort.signal, signals));
  } catch (thrown) {
    await fail(cause(thrown));
  }
}

async function fail(error: SockError): Promise<never> {
  const bySignal = error.status === STATUS.interrupted || error.status === STATUS.terminated;
  return leave(bySignal ? error.status : (failureStatus ?? error.status), error);
}

/** The first signal lets the verb end its work; the second leaves at once. */
function stop(reason: SockError): void {
  if (abort.signal.aborted) process.exit(reason.status);
  abort.abort(reason);
}

function giveUp(): void {
  const reason = new SockError("timeout", "--timeout is over");
  abort.abort(reason);
  setTimeout(() => void fail(reason), LEAVE_MS).unref();
}

/** What failed because we were stopped says why we were stopped, unless the verb has better words for the same. */
function cause(thrown: unknown): SockError {
  const reason: unknown = abort.signal.reason;
  if (!(reason instanceof SockError)) return asSockError(thrown);
  return thrown instanceof SockError && thrown.status === reason.status ? thrown : reason;
}

/** Everything is written before the process ends: `process.exit` alone cuts a pipe at 64 KiB. */
async function leave(status: number, error?: SockError): Promise<never> {
  if (leaving) return new Promise(() => undefined); // whoever was first has said why
  leaving = true;
  ui.clearLive();
  await ui.stdout.drain();
  if (ui.stdout.failure === undefined) json.finish(error?.status ?? status, error);
  if (error !== undefined && !isClosedPipe(ui.stdout.failure)) ui.error(error);
  await ui.drain();
  const failure = ui.stdout.failure;
  if (failure === undefined) process.exit(status);
  // what did not arrive on stdout is no success, whatever the verb thought
  const lost = outputError(failure);
  if (error === undefined && !isClosedPipe(failure)) ui.error(lost);
  await ui.stderr.drain();
  process.exit(status === STATUS.done ? (failureStatus ?? lost.status) : status);
}

function outputError(failure: NodeJS.ErrnoException): SockError {
  const code = failure.code === "ENOSPC" ? "no-space" : "io";
  return new SockError(code, `cannot write to stdout: ${failure.code ?? failure.message}`);
}

function isClosedPipe(failure: NodeJS.ErrnoException | undefined): boolean {
  return failure?.code === "EPIPE";
}
