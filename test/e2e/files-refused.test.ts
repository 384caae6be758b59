import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmod, lstat, mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { start } from "../helpers/child.ts";
import { resultOf, SOCK, sock } from "../helpers/run.ts";
import { serve, type Serving } from "../helpers/serve.ts";
import { temporaryFolder, type TemporaryFolder } from "../helpers/temp.ts";
import { until } from "../helpers/until.ts";

let base: TemporaryFolder;
let server: Serving;
let env: Record<string, string>;

beforeAll(async () => {
  base = await temporaryFolder();
  await mkdir(base.join("root", "sub"), { recursive: true });
  await mkdir(base.join("here"));
  await writeFile(base.join("root", "fine"), "fine");
  server = await serve({ args: [base.join("root")] });
  env = { SOCK_JOIN: server.join };
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await base[Symbol.asyncDispose]();
});
const put = (path: string) =>
  sock(["put", "-", `:${path}`, "--json"], { env, stdin: "mine", cwd: base.join("here") });
const get = (path: string, to = "-") => sock(["get", `:${path}`, to], { env, cwd: base.join("here") });

async function inside(): Promise<string[]> {
  const names = await readdir(base.join("root"), { recursive: true });
  return names.filter((name) => !name.startsWith(".sock-partial")).toSorted();
}

describe("what is no file", () => {
  test("a device, a pipe, or a link to one here is never replaced by what is got, or taken away by a receipt", async () => {
    const own = base.join("own");
    await mkdir(own);
    expect(await Bun.spawn(["mkfifo", `${own}/fifo`]).exited).toBe(0);
    await symlink("/dev/null", `${own}/null`);
    await symlink(`${own}/fifo`, `${own}/pipe`);
    await symlink("none", `${own}/dangling`);
    for (const name of ["fifo", "null", "pipe"]) {
      expect(await get("fine", `${own}/${name}`)).toMatchObject({
        status: 1,
        stderr: expect.stringMatching(/no plain file/),
      });
    }
    for (const name of ["null", "dangling"]) {
      const ran = await sock(["get", ":missing", `${own}/x`, "--receipt", `${own}/${name}`], { env });
      expect(ran.status).toBe(7);
    }
    expect((await readdir(own)).toSorted()).toEqual(["dangling", "fifo", "none", "null", "pipe"]);
    expect((await lstat(`${own}/null`)).isSymbolicLink()).toBe(true);
  });

  test("a fifo, a device, and a folder to stdout are refused at once", async () => {
    const made = Bun.spawn(["mkfifo", base.join("root", "fifo"), base.join("here", "fifo")]);
    expect(await made.exited).toBe(0);
    const began = performance.now();
    expect([(await get("fifo")).status, (await put("fifo")).status]).toEqual([1, 1]);
    for (const path of ["fifo", "/dev/zero", "/dev/null"]) {
      const ran = await sock(["put", path, ":never", "--json"], { env, cwd: base.join("here") });
      expect([path, ran.status]).toEqual([path, 1]);
      expect(resultOf(ran.stdout)).toMatchObject({
        code: "not-file",
        message: expect.any(String),
      });
    }
    expect((await get("sub")).stderr).toMatch(/sub.*folder|folder.*sub/);
    expect((await get("sub")).status).toBe(1);
    expect(performance.now() - began).toBeLessThan(4000);
    expect(await inside()).not.toContain("never");
  });

  test("a root that is itself a link, and a link inside that stays inside, work", async () => {
    await mkdir(base.join("real"));
    await symlink("real", base.join("as-link"));
    await writeFile(base.join("real", "f"), "f");
    await symlink("f", base.join("real", "l"));
    await using other = await serve({ args: [base.join("as-link")] });
    const with_ = { env: { SOCK_JOIN: other.join } };
    expect(await sock(["get", ":l", "-"], with_)).toMatchObject({ status: 0, stdout: "f" });
    expect(await sock(["put", "-", ":new"], { ...with_, stdin: "n" })).toMatchObject({ status: 0 });
    expect(await readFile(base.join("real", "new"), "utf8")).toBe("n");
    await Bun.spawn(["rm", "-r", base.join("real"), base.join("as-link")]).exited;
  });
});

describe("what is not there, not allowed, not writable", () => {
  test("not found is 7, here and there, and leaves nothing", async () => {
    expect((await get("nothing", "here-it-is")).status).toBe(7);
    expect((await get("no/such/folder")).status).toBe(7);
    const ran = await sock(["put", "nothing", ":x", "--json"], { env, cwd: base.join("here") });
    expect(resultOf(ran.stdout)).toMatchObject({ status: 7, code: "not-found" });
    expect(await readdir(base.join("here"))).not.toContain("here-it-is");
  });

  test("a path that is too long is refused by name, and is not the protocol's fault", async () => {
    const path = `${"a/".repeat(2100)}x`;
    expect([(await put(path)).status, (await get(path)).status]).toEqual([4, 4]);
  });

  test("a read-only folder and a missing capability are 4, with what would allow it", async () => {
    await using readonly = await serve({ args: [`${base.join("root")}:ro`] });
    const ran = await sock(["put", "-", ":new", "--json"], { env: { SOCK_JOIN: readonly.join }, stdin: "x" });
    expect(resultOf(ran.stdout)).toMatchObject({ status: 4, code: "read-only" });
    expect(await sock(["get", ":fine", "-"], { env: { SOCK_JOIN: readonly.join } })).toMatchObject({
      status: 0,
      stdout: "fine",
    });
    for (const [allow, args, status] of [
      ["get", ["put", "-", ":new"], 4],
      ["put", ["get", ":fine", "-"], 4],
      ["put", ["put", "-", ":allowed"], 0],
      ["get", ["get", ":fine", "-"], 0],
    ] as const) {
      const code = await sock(["invite", "--direct", "--name", "ci", "--allow", allow], {
        home: server.home,
      });
      const tried = await sock([...args], { env: { SOCK_JOIN: code.stdout }, stdin: "x" });
      expect([allow, args, tried.status]).toEqual([allow, args, status]);
      if (status === 4) expect(tried.stderr).toMatch(/sock: hint: .*sock clients allow ci/);
    }
    expect(await inside()).not.toContain("new");
  });

  test.skipIf(process.getuid?.() !== 0)(
    "a folder without write permission for the server is said so",
    async () => {
      await using home = await temporaryFolder();
      await mkdir(home.join("data"));
      await chmod(home.path, 0o777);
      await Bun.write(home.join("sock-bin"), Bun.file(SOCK));
      await chmod(home.join("sock-bin"), 0o755);
      const before = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
      await using other = await start(["serve", "data", "--listen", "127.0.0.1:0", "--json"], {
        home: home.path,
        bin: home.join("sock-bin"),
        before,
      });
      const join = await until(() => /"join":"(\w+)"/.exec(other.stdout())?.[1], "the code");
      const ran = await sock(["put", "-", ":new", "--json"], { env: { SOCK_JOIN: join }, stdin: "x" });
      expect(resultOf(ran.stdout)).toMatchObject({ status: 1, code: "permission" });
      expect(await readdir(home.join("data"))).toEqual([]);
    },
  );
});
