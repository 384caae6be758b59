/** Text from stdin, line by line. */
const NEWLINE = 10;
/** A line longer than this is sent in pieces of it, bytes. */
const LONGEST_LINE = 1024 * 1024;

/** A line without its newline; `ended` where it had one. */
export interface Line {
  bytes: Uint8Array;
  ended: boolean;
}

/** Lines as soon as they are there. Ends at an abort too. */
export async function* lines(input: ReadableStream<Uint8Array>, signal: AbortSignal): AsyncGenerator<Line> {
  const reader = input.getReader();
  const cancel = (): void => {
    reader.cancel().catch(() => undefined);
  };
  signal.addEventListener("abort", cancel, { once: true });
  let held: Uint8Array = new Uint8Array(0);
  for (;;) {
    const { value, done } = await reader.read();
    if (signal.aborted) return;
    if (done) break;
    held = held.length === 0 ? value : Buffer.concat([held, value]);
    for (let end = held.indexOf(NEWLINE); end !== -1; end = held.indexOf(NEWLINE)) {
      yield { bytes: held.subarray(0, end), ended: true };
      held = held.subarray(end + 1);
    }
    if (held.length >= LONGEST_LINE) {
      yield { bytes: held, ended: false };
      held = new Uint8Array(0);
    }
  }
  if (held.length > 0) yield { bytes: held, ended: false };
}
