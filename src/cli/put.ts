import { existsSync } from "node:fs";
import { put } from "../client/put.ts";
import { resolveHost } from "../client/hosts.ts";
import { Session } from "../client/session.ts";
import { fileSource, type OpenSource, stdinSource } from "../client/source.ts";
import { splitTarget } from "../client/target.ts";
import { SockError } from "../errors.ts";
import { BlockPool } from "../files/blocks.ts";
import { escapeForDisplay } from "../text/escape.ts";
import { Progress } from "./progress.ts";
import { sessionOptions } from "./session-options.ts";
import {
  digestName,
  eachFile,
  fileEvent,
  fileReport,
  parseMode,
  remoteTarget,
  resultFields,
  TRANSFER_ARGS,
} from "./transfer.ts";
import { defineVerb } from "./verb.ts";

export default defineVerb({
  meta: {
    name: "put",
    summary: "send files to a server; done means: verified there",
    usage: ["put FILE... HOST:[PATH]", "put - HOST:PATH"],
    examples: [
      { line: "sock put app.tar.gz web1:releases/", does: "sends it into releases/" },
      { line: "sock put a.txt web1:b.txt", does: "sends it as b.txt" },
      { line: "tar c dir | sock put - web1:dir.tar", does: "sends what comes on stdin" },
    ],
    more: [
      "A path that ends in / , or is a folder there, is a folder to put into; any other is the new name. Folders on the way are made.",
      "The old file stays as it is until the new one is complete and its digest was found equal on both sides.",
    ],
  },
  args: {
    files: { type: "positional", variadic: true, description: "files, then where they go; - is stdin" },
    ...TRANSFER_ARGS,
    chmod: {
      type: "string",
      valueHint: "MODE",
      description: "mode of the new file, octal (default: the source's)",
    },
    verify: { type: "boolean", description: "read the new file back from the disk and compare once more" },
    sync: { type: "boolean", description: "end only when it would survive a power cut there" },
  },
  async run(context, given) {
    const target = given.files.at(-1);
    const names = given.files.slice(0, -1);
    if (target === undefined || names.length === 0) {
      throw new SockError(
        "usage",
        "what goes where? a file and HOST: are needed",
        "sock put FILE HOST:[PATH]",
      );
    }
    const swapped = names.find((name) => splitTarget(name).kind === "remote" && !existsSync(name));
    if (swapped !== undefined && splitTarget(target).kind !== "remote") {
      throw new SockError(
        "usage",
        `put sends to its last word, and ${JSON.stringify(swapped)} is not on this machine`,
        `sock get ${swapped} ${target} fetches it`,
      );
    }
    const remote = remoteTarget(target);
    const host = resolveHost(remote.host, context.env);
    const mode = given.chmod === undefined ? undefined : parseMode(given.chmod);
    const files = names.map((word) => ({ word }));
    if (names.includes("-")) checkStdin(names, remote.path);
    const several = files.length > 1 && remote.path !== "" && !remote.path.endsWith("/");
    const to = several ? `${remote.path}/` : remote.path;
    const pool = new BlockPool();
    const totals = { files: 0, bytes: 0, skipped: 0, started: performance.now() };
    const algorithm = digestName(given.digest);
    // what is not there is known before anything is sent
    const only =
      names[0] !== undefined && names.length === 1 ? open(names[0], mode, context.signal) : undefined;
    try {
      const session = await Session.open(host, sessionOptions(context));
      try {
        await eachFile(context, files, async ({ word }) => {
          const source = only ?? open(word, mode, context.signal);
          const progress = new Progress(context.ui, escapeForDisplay(word), source.length);
          const started = performance.now();
          const done = await put(session, source, to, {
            digest: algorithm,
            onExists: given["on-exists"],
            verify: given.verify,
            sync: given.sync,
            pool,
            onProgress: (bytes) => progress.update(bytes),
          }).finally(() => {
            progress.done();
            source.close();
          });
          const seconds = (performance.now() - started) / 1000;
          const file = { ...done, path: `${host.name}:${done.path}`, seconds };
          context.json.emit(fileEvent(file, algorithm));
          fileReport(context.ui, file, algorithm);
          if (done.action === "skipped") totals.skipped += 1;
          else totals.files += 1;
          totals.bytes += done.bytes;
        });
      } finally {
        session.close();
      }
    } finally {
      only?.close();
      context.json.result(resultFields(host.name, totals));
    }
  },
});

function open(name: string, mode: number | undefined, signal: AbortSignal): OpenSource {
  if (name === "-") return stdinSource(mode, signal);
  try {
    return fileSource(name, mode);
  } catch (thrown) {
    if (!(thrown instanceof SockError) || thrown.code !== "is-folder") throw thrown;
    throw new SockError("is-folder", thrown.message, `as one file: tar c ${name} | sock put - HOST:NAME.tar`);
  }
}

function checkStdin(names: readonly string[], path: string): void {
  if (names.length === 1 && path !== "" && !path.endsWith("/")) return;
  throw new SockError("usage", "stdin has no name", "say which file it becomes: sock put - HOST:NAME");
}
