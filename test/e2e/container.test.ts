import { afterAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { codeAt } from "../helpers/child.ts";
import { events, sock, SOCK } from "../helpers/run.ts";
import { temporaryFolder } from "../helpers/temp.ts";
import { until } from "../helpers/until.ts";

const canUnshare = spawnSync("unshare", ["--mount", "--pid", "--fork", "true"]).status === 0;
const strays: Bun.Subprocess[] = [];
afterAll(() => strays.forEach((child) => child.kill("SIGKILL")));

/** The executable and its libraries, a home that is mounted read-only, a folder for data, and nothing else. */
function makeRoot(root: string): void {
  for (const name of ["data", "home", "proc", "dev"]) mkdirSync(`${root}/${name}`, { recursive: true });
  copyFileSync(SOCK, `${root}/sock`);
  const libraries = spawnSync("ldd", [SOCK])
    .stdout.toString()
    .matchAll(/(\/\S+) \(0x/g);
  for (const [, path = ""] of libraries) {
    mkdirSync(dirname(root + path), { recursive: true });
    copyFileSync(path, root + path);
  }
}

const ENTER = `
  mount --bind "$0" "$0" && mount --bind "$0/home" "$0/home" && mount -o remount,bind,ro "$0/home" &&
  mount -t proc proc "$0/proc" && exec chroot "$0" /sock "$@"`;

test.skipIf(!canUnshare)(
  "a server in a root of its own, with a read-only home and no terminal; needs root and mount namespaces",
  async () => {
    await using folder = await temporaryFolder();
    const root = folder.join("root");
    makeRoot(root);
    const invited = await sock([
      "invite",
      "--pair",
      "--host",
      "127.0.0.1:1",
      "--allow",
      "echo,put,get",
      "--json",
    ]);
    const [pair] = events(invited.stdout).slice(-1);
    const secret = (key: string): string => String(pair?.[key]);

    const command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", ENTER, root];
    const server = Bun.spawn([...command, "serve", "/data", "--listen", "127.0.0.1:0", "--json"], {
      env: { PATH: process.env["PATH"] ?? "", HOME: "/home", SOCK_SERVE: secret("serve") },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "inherit",
    });
    strays.push(server);
    let said = "";
    void (async () => {
      for await (const piece of server.stdout) said += new TextDecoder().decode(piece);
    })();
    const event = await until(() => said.includes("listening") && events(said)[0], "the listening event");

    // the client has no home of its own at all
    const env = {
      HOME: "/nonexistent",
      SOCK_HOME: "",
      SOCK_JOIN: codeAt(secret("join"), Number(event["port"])),
    };
    writeFileSync(folder.join("file"), "from outside");
    expect(await sock(["echo", "--count", "3", "--json"], { env })).toMatchObject({ status: 0 });
    const put = await sock(["put", folder.join("file"), ":a/b"], { env });
    expect(put).toMatchObject({ status: 0 });
    expect(await sock(["get", ":a/b", "-"], { env })).toMatchObject({ status: 0, stdout: "from outside" });
    expect(readFileSync(`${root}/data/a/b`, "utf8")).toBe("from outside");
    expect(readdirSync(`${root}/home`)).toEqual([]);
    expect(said).not.toContain(secret("serve"));
    server.kill("SIGKILL");
    await server.exited;
  },
);
