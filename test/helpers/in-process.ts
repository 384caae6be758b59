import { mkdirSync } from "node:fs";
import { startServer } from "../../src/server/start.ts";
import { type TemporaryFolder, temporaryFolder } from "./temp.ts";

export interface InProcess extends AsyncDisposable {
  /** What it serves. */
  readonly dir: string;
  readonly folder: TemporaryFolder;
  /** A direct code for it. */
  readonly join: string;
}

/** A server in this process, on a free port of loopback, for one key with these capabilities; ends with its scope. */
export async function serveHere(allow: readonly string[] = ["echo", "put", "get", "ls"]): Promise<InProcess> {
  const folder = await temporaryFolder();
  const dir = folder.join("served");
  mkdirSync(dir);
  const started = await startServer({
    folders: [dir],
    listen: ["127.0.0.1:0"],
    hosts: ["127.0.0.1"],
    env: { SOCK_HOME: folder.join("state") },
    report: () => undefined,
  });
  const { code } = started.invite({ direct: true, forRun: true, allow, cidr: [] });
  return {
    dir,
    folder,
    join: code,
    [Symbol.asyncDispose]: async () => {
      started.server.stop();
      started.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}
