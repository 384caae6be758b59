/** What put and get have in common: their flags, and how they say what became of a file. */
import { splitTarget } from "../client/target.ts";
import { asSockError, type ExitStatus, SockError, STATUS } from "../errors.ts";
import { escapeForDisplay } from "../text/escape.ts";
import { formatBytes, formatDuration, formatRate } from "../text/units.ts";
import type { JsonEvent } from "./json.ts";
import type { Ui } from "./ui.ts";
import type { Context } from "./verb.ts";

export type OnExistsFlag = "replace" | "refuse" | "rename" | "skip";
export type DigestFlag = "sha256" | "xxh3";

const ON_EXISTS: OnExistsFlag[] = ["replace", "refuse", "rename", "skip"];
const DIGESTS: DigestFlag[] = ["sha256", "xxh3"];

export const TRANSFER_ARGS = {
  "on-exists": {
    type: "enum",
    options: ON_EXISTS,
    default: "replace",
    description: "where the file is there already; rename saves as NAME.new",
  },
  digest: {
    type: "enum",
    options: DIGESTS,
    default: "sha256",
    description:
      "how both sides prove that they have the same bytes; xxh3 is faster and no proof against forgery",
  },
} as const;

export interface TransferredFile {
  readonly path: string;
  readonly bytes: number;
  readonly digest: string;
  readonly action: "new" | "replaced" | "renamed" | "skipped";
  readonly seconds: number;
}

/** A word that must name something on a server; `web1` is `web1:`. Throws `usage`. */
export function remoteTarget(word: string): { host: string | undefined; path: string } {
  const target = splitTarget(word);
  if (target.kind === "remote") return target;
  if (target.kind === "word") return { host: target.word, path: "" };
  const shown = JSON.stringify(word);
  if (target.kind === "url")
    throw new SockError("usage", `${shown} is no joined server`, "put and get want HOST:PATH");
  throw new SockError(
    "usage",
    `${shown} is a local path, and a remote one is due`,
    "HOST:PATH names a file on a server",
  );
}

/** The flag's word to the protocol's name. */
export function digestName(flag: DigestFlag): "sha256" | "xxh3-64k" {
  return flag === "xxh3" ? "xxh3-64k" : flag;
}

/** Octal permission bits without setuid, setgid and sticky, which are never sent. Throws `usage`. */
export function parseMode(text: string): number {
  if (!/^0?[0-7]{3}$/.test(text)) {
    throw new SockError(
      "usage",
      `--chmod: ${JSON.stringify(text)} is not a mode`,
      "three octal digits, like 644 or 755",
    );
  }
  return Number.parseInt(text, 8);
}

export function fileEvent(file: TransferredFile, algorithm: string): JsonEvent {
  const { path, bytes, digest, action } = file;
  return { type: "file", path, size: bytes, digest: digest === "" ? null : digest, algorithm, action };
}

export function fileReport(ui: Ui, file: TransferredFile, algorithm: string): void {
  const path = escapeForDisplay(file.path);
  if (file.action === "skipped") {
    ui.report(`${path}  is there already, skipped`);
    return;
  }
  const time = formatDuration(file.seconds * 1000);
  const rate = formatRate(file.bytes / file.seconds);
  ui.report(
    `${path}  ${formatBytes(file.bytes)} in ${time} (${rate}), ${file.action}, verified on both sides`,
  );
  ui.report(`${algorithm} ${file.digest}`);
}

export function resultFields(
  host: string,
  totals: { files: number; bytes: number; skipped: number; started: number },
): Record<string, unknown> {
  const { files, bytes, skipped, started } = totals;
  const seconds = Number(((performance.now() - started) / 1000).toFixed(3));
  return { host, files, bytes, skipped, seconds };
}

/** Failures after which the next file has no chance either. */
const ENDS_ALL: ReadonlySet<ExitStatus> = new Set([
  STATUS.notThatServer,
  STATUS.unreachable,
  STATUS.noSpace,
  STATUS.interrupted,
  STATUS.terminated,
]);

/**
 * Files one after another: of several, one that fails is named and the others go on. Throws its own failure where there
 * is only one file, or all fail alike; else `some-failed`.
 */
export async function eachFile<T extends { readonly word: string }>(
  context: Context,
  files: readonly T[],
  transfer: (file: T) => Promise<void>,
): Promise<void> {
  const failures: SockError[] = [];
  for (const file of files) {
    try {
      await transfer(file);
    } catch (thrown) {
      const error = asSockError(thrown);
      if (files.length === 1 || ENDS_ALL.has(error.status) || context.signal.aborted) throw error;
      failures.push(error);
      context.json.emit({
        type: "file",
        path: file.word,
        action: "failed",
        code: error.code,
        message: error.message,
      });
      if (!context.json.enabled) context.ui.error(error);
    }
  }
  const [first] = failures;
  if (first === undefined) return;
  const alike = failures.length === files.length && failures.every((error) => error.status === first.status);
  throw new SockError(
    alike ? first.code : "some-failed",
    `${failures.length} of ${files.length} files failed`,
  );
}
