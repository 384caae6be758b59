import { dirname, join } from "node:path";
import { fileDrain, landLocally, streamDrain } from "../client/drain.ts";
import { get } from "../client/get.ts";
import { resolveHost, type Target } from "../client/hosts.ts";
import { Session } from "../client/session.ts";
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
  remoteTarget,
  resultFields,
  TRANSFER_ARGS,
} from "./transfer.ts";
import { defineVerb } from "./verb.ts";

export default defineVerb({
  meta: {
    name: "get",
    summary: "fetch files from a server; done means: verified here",
    usage: ["get HOST:PATH... [DEST]", "get HOST:PATH -"],
    examples: [
      { line: "sock get web1:logs/app.log", does: "fetches it into this folder" },
      { line: "sock get web1:app.log today.log", does: "fetches it as today.log" },
      { line: "sock get web1:dir.tar - | tar x", does: "writes it to stdout" },
    ],
    more: ["A DEST that ends in / , or is a folder, is a folder to fetch into; any other is the new name."],
  },
  args: {
    files: { type: "positional", variadic: true, description: "what to fetch, then where to; - is stdout" },
    ...TRANSFER_ARGS,
    verify: { type: "boolean", description: "read the new file back from the disk and compare once more" },
    sync: { type: "boolean", description: "end only when it would survive a power cut" },
  },
  async run(context, given) {
    const { sources, dest } = split(given.files);
    if (dest === "-") context.json.refuseData("the file");
    if (dest === "-" && sources.length > 1) throw new SockError("usage", "only one file fits on stdout");
    const remotes = sources.map((word) => ({ word, ...remoteTarget(word) }));
    const algorithm = digestName(given.digest);
    const pool = new BlockPool();
    const totals = { files: 0, bytes: 0, skipped: 0, started: performance.now() };
    const sessions = new Map<string, { session: Session; host: Target }>();
    try {
      await eachFile(context, remotes, async (remote) => {
        const host = resolveHost(remote.host, context.env);
        const known = sessions.get(host.name);
        const session = known?.session ?? (await Session.open(host, sessionOptions(context)));
        sessions.set(host.name, { session, host });
        const started = performance.now();
        let landed = "-";
        let progress: Progress | undefined;
        const got = await get(session, remote.path, algorithm, (entry) => {
          progress = new Progress(context.ui, escapeForDisplay(remote.path), entry.length);
          const show = (bytes: number): void => progress?.update(bytes);
          if (dest === "-")
            return streamDrain((bytes) => context.ui.lentData(bytes), entry.length, algorithm, show);
          const place = landLocally(dest, remote.path, sources.length > 1);
          landed = place.shown;
          const { verify, sync } = given;
          return fileDrain(place, entry, {
            algorithm,
            onExists: given["on-exists"],
            verify,
            sync,
            pool,
            show,
          });
        }).finally(() => progress?.done());
        if (got.action === "renamed") landed = join(dirname(landed), got.name);
        const file = { ...got, path: landed, seconds: (performance.now() - started) / 1000 };
        context.json.emit(fileEvent(file, algorithm));
        if (dest !== "-") fileReport(context.ui, file, algorithm);
        if (got.action === "skipped") totals.skipped += 1;
        else totals.files += 1;
        totals.bytes += got.bytes;
      });
    } finally {
      for (const { session } of sessions.values()) session.close();
      const host = [...sessions.values()].map((one) => one.host.name).join(" ");
      context.json.result(resultFields(host, totals));
    }
  },
});

/** The last word is where to, unless it names something remote, or is the only word. */
function split(words: readonly string[]): { sources: string[]; dest: string } {
  const last = words.at(-1);
  if (last === undefined) throw new SockError("usage", "what is to be fetched?", "sock get HOST:PATH [DEST]");
  const isLocal = words.length > 1 && (last === "-" || splitTarget(last).kind !== "remote");
  return isLocal ? { sources: words.slice(0, -1), dest: last } : { sources: [...words], dest: "." };
}
