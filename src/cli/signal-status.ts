import { constants } from "node:os";

/** The status of a command that a signal ended, as shells have it: 128 and the signal's number on this machine. */
export function signalStatus(name: string | null): number {
  const numbers: Readonly<Record<string, number>> = constants.signals;
  const number = name === null ? undefined : numbers[name];
  return number === undefined ? 255 : 128 + number;
}
