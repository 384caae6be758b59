/** `echo` and `udp` send text or measure, by what they are given. */
import { fstatSync } from "node:fs";
import { SockError } from "../errors.ts";

/** The line with a host, where the first word of text was taken for one. */
export function asText(
  command: "echo" | "udp",
  host: string,
  given: { host?: string | undefined; text: readonly string[] },
): string {
  const text = [given.host?.replace(/^:/, "") ?? "", ...given.text].join(" ");
  return `sock ${command} ${host === "" ? ":" : host} ${text}`;
}

export interface TextGiven {
  readonly host: string | undefined;
  readonly text: readonly string[];
  readonly interactive: boolean;
}

/**
 * Whether text is sent. `measured` is a flag that asks for a measurement: a job's stdin may be a pipe that nobody meant, so that
 * flag is heard before the pipe is. Throws `usage` where both are asked for.
 */
export function sendsText(given: TextGiven, measured: string | undefined): boolean {
  const sends = given.text.length > 0 || given.interactive;
  if (sends && measured !== undefined) {
    throw new SockError(
      "usage",
      `--${measured} measures, and text is not measured`,
      "leave out one of the two",
    );
  }
  if (given.interactive && given.text.length > 0) {
    // elsewhere -i is an interval
    const time = [given.host ?? "", ...given.text].find((word) => /^\d+(\.\d+)?(us|ms|s)?$/.test(word));
    const hint = time === undefined ? "leave out one of the two" : `--interval ${withUnit(time)}`;
    throw new SockError("usage", "-i asks for lines, and there is text", hint);
  }
  return sends || (measured === undefined && pipedIn());
}

/** A file or a pipe is text to send; a terminal or /dev/null is not. */
function pipedIn(): boolean {
  try {
    const stat = fstatSync(0);
    return stat.isFIFO() || stat.isFile() || stat.isSocket();
  } catch {
    return false;
  }
}

/** ping and iperf3 have seconds there: `0.2` is 200ms. */
function withUnit(time: string): string {
  return /[a-z]$/.test(time) ? time : Number(time) < 1 ? `${Math.round(Number(time) * 1000)}ms` : `${time}s`;
}
