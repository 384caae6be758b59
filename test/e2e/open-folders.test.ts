/** Folders in `sock open`: where `run` begins, and the one on this side. */
import { existsSync, mkdirSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { start } from "../helpers/child.ts";
import { pair } from "../helpers/pair.ts";
import { events, sock } from "../helpers/run.ts";
import { shellServer } from "../helpers/shell.ts";
import { temporaryFolder } from "../helpers/temp.ts";
import { openSession } from "../helpers/udp-session.ts";
import { until } from "../helpers/until.ts";

test("run begins in the folder there that was gone into, and at the top in what is served", async () => {
  await using server = await shellServer();
  const drop = realpathSync(join(server.home, "drop"));
  mkdirSync(join(drop, "in", "deep"), { recursive: true });
  symlinkSync("in/deep", join(drop, "link"));
  const env = { SOCK_JOIN: server.join };
  const ran = await sock(
    ["open", "-c", "run pwd", "-c", "cd in/deep; run pwd", "-c", "cd /link; run pwd -P"],
    {
      env,
    },
  );
  expect(ran).toMatchObject({
    stdout: `${drop}\n${drop}/in/deep\n${drop}/in/deep\n`,
    stderr: "",
    status: 0,
  });
  await using child = await start(["open"], { env, pipe: true });
  const { stdin } = child.process;
  if (stdin === undefined || typeof stdin === "number") throw new Error("no pipe");
  await stdin.write("cd in/deep\nrun pwd\n");
  await stdin.flush();
  await until(() => child.stdout() !== "", "the folder");
  rmSync(join(drop, "in"), { recursive: true });
  await stdin.write("run touch there\n");
  await stdin.end();
  expect(await child.ended()).toBe(7);
  expect(child.stderr()).toContain("in/deep: no such file or folder");
});

test("at the top of several served folders run begins at home; below in that folder, read only or not", async () => {
  await using folder = await temporaryFolder();
  mkdirSync(folder.join("a"));
  mkdirSync(folder.join("b"));
  await using server = await shellServer({ args: [`one=${folder.join("a")}`, `two=${folder.join("b")}:ro`] });
  const ran = await sock(["open", "-c", "run pwd", "-c", "cd two; run pwd"], {
    env: { SOCK_JOIN: server.join },
  });
  expect(ran.stdout).toBe(`${realpathSync(server.home)}\n${realpathSync(folder.join("b"))}\n`);
});

test("lcd and lpwd: the folder here", async () => {
  await using ends = await pair();
  mkdirSync(ends.here("sub"));
  writeFileSync(ends.here("sub", "f"), "x");
  writeFileSync(ends.root("g"), "y");
  const ran = await ends.run("open", "-c", "lcd sub; lpwd; put f; get g; lcd ..; lpwd; lcd; lpwd");
  expect([ran.stderr.includes("sock:"), ran.status]).toEqual([false, 0]);
  const home = ends.base("home");
  expect(ran.stdout).toBe(`${ends.here("sub")}\n${ends.here()}\n${home}\n`);
  expect([existsSync(ends.root("f")), existsSync(ends.here("sub", "g"))]).toEqual([true, true]);
  const bad = await ends.run("open", "--json", "--keep-going", "-c", "lcd nowhere; lcd sub/f; lpwd");
  expect(events(bad.stdout).map(({ type, code, path }) => [type, code ?? path])).toEqual([
    ["command", "not-found"],
    ["command", "not-folder"],
    ["local_folder", ends.here()],
    ["command", undefined],
    ["result", "some-failed"],
  ]);
});

/** The code that a command in `folder` is refused with, undefined for one that runs. */
async function refusal(code: string, folder: string): Promise<unknown> {
  const session = await openSession(code);
  try {
    const words = new TextEncoder().encode("/bin/true\0");
    const rest = { cwd: null, env: {}, stdin: false, detach: false, max_output: null };
    session.channel.send({ type: "exec", bytes: words.length, folder, ...rest });
    session.channel.send({ type: "words", size: words.length }, words);
    const { header } = await session.channel.next();
    return header.type === "error" ? header["code"] : undefined;
  } finally {
    session.close();
  }
}

test("a folder for a command is one that is served, whoever asks", async () => {
  await using server = await shellServer();
  symlinkSync("/", join(server.home, "drop", "out"));
  writeFileSync(join(server.home, "drop", "file"), "");
  expect(await refusal(server.join, "")).toBeUndefined();
  for (const folder of ["../..", "/", "out/etc", "a/../.."]) {
    expect(["outside", "bad-name"]).toContain(String(await refusal(server.join, folder)));
  }
  expect(await refusal(server.join, "nowhere")).toBe("not-found");
  expect(await refusal(server.join, "file")).toBe("not-folder");
  const where = ["--host", `127.0.0.1:${server.port}`];
  const allow = ["--allow", 'ls,exec:["/bin/true"]'];
  const invited = await sock(["invite", "--direct", ...allow, ...where], { home: server.home });
  expect(await refusal(invited.stdout.trim(), "")).toBe("policy");
});
