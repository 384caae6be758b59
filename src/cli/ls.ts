import { type Connections, withSession } from "../client/connections.ts";
import { expand } from "../client/expand.ts";
import { resolveHost, type Target } from "../client/hosts.ts";
import { type Listed, ls } from "../client/ls.ts";
import { SockError } from "../errors.ts";
import { ItemWriter } from "./items.ts";
import { ownConnections } from "./session-options.ts";
import { remoteTarget } from "./transfer.ts";
import { type Args, type Context, defineVerb } from "./verb.ts";

const args = {
  path: {
    type: "positional",
    required: false,
    description: "HOST:PATH; left out: all that the only server serves",
  },
  long: {
    type: "boolean",
    alias: "l",
    description: "mode, size, time of the last change, where links lead",
  },
  recursive: { type: "boolean", alias: "R", description: "folders below it too" },
  bytes: { type: "boolean", description: "with -l: sizes to the byte" },
} as const;

export default defineVerb({
  meta: {
    name: "ls",
    summary: "list what is on a server",
    usage: ["ls [HOST:[PATH]] [-l] [-R]"],
    examples: [
      { line: "sock ls web1:", does: "what is served there" },
      { line: "sock ls -l web1:releases", does: "with mode, size and time" },
      { line: "sock ls -R 'web1:logs/*.log'", does: "what fits the pattern, and what is below it" },
    ],
    more: [
      "Patterns have * ? [a-z] {a,b}, and ** for any number of folders; quote them, or the shell here takes them for its own. A name that is there literally is meant as it is. What a pattern finds is named, not opened, without -R.",
      "Names that could confuse a terminal are escaped; --json has them exactly.",
    ],
  },
  args,
  async run(context, given) {
    const target = given.path === undefined ? { host: undefined, path: "" } : remoteTarget(given.path);
    const { path } = given;
    const meant = path?.includes(":") === false ? (name: string) => `sock ls ${name}:${path}` : undefined;
    const host = resolveHost(target.host, context.env, undefined, meant);
    await listPath(context, given, { host, path: target.path, connections: ownConnections(context) });
  },
});

export interface LsJob {
  readonly host: Target;
  readonly path: string;
  readonly connections: Connections;
}

/** Shows what is there, and throws what could not be read. */
export async function listPath(context: Context, given: Args<typeof args>, job: LsJob): Promise<void> {
  const { host, path: target, connections } = job;
  const { long, bytes, recursive } = given;
  const writer = new ItemWriter(context, { long, exact: bytes });
  const onEnd = (failed: number): void => writer.count(failed);
  try {
    await withSession(connections, host, async (session) => {
      for await (const { path, item } of expand(session, target)) {
        const isMatch = item !== undefined && path !== target;
        if (isMatch && !(recursive && item.kind === "folder")) {
          await writer.add(path, item, path);
          continue;
        }
        for await (const found of ls(session, path, { recursive, onEnd })) {
          if (found.path.length > 0) await writer.add(path, found, isMatch ? path : "");
          else if (isMatch || !isFolder(found)) await writer.add(path, found, path);
        }
      }
    });
  } finally {
    await writer.end();
    context.json.result({ host: host.name, items: writer.items, failed: writer.failed });
  }
  if (writer.failed > 0) {
    throw new SockError("some-failed", `${writer.failed} of ${writer.items} names could not be read`);
  }
}

export { args as LS_ARGS };

function isFolder(item: Listed): boolean {
  return item.kind === "folder";
}
