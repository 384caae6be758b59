import { describe, expect, test } from "bun:test";
import { chmod, chown, mkdir, readdir, readFile, truncate, writeFile } from "node:fs/promises";
import { encodeJoinCode, parseJoinCode } from "../../src/protocol/join-code.ts";
import { newIdentity } from "../../src/transport/identity.ts";
import { start } from "../helpers/child.ts";
import { Relay } from "../helpers/relay.ts";
import { events, resultOf, SOCK, sock } from "../helpers/run.ts";
import { serve } from "../helpers/serve.ts";
import { temporaryFolder, type TemporaryFolder } from "../helpers/temp.ts";
import { until } from "../helpers/until.ts";

test("a key that is not in the list gets one answer to everything, before any path is looked at", async () => {
  await using folder = await temporaryFolder();
  await writeFile(folder.join("there"), "secret");
  await using server = await serve({ args: [folder.path] });
  const stranger = encodeJoinCode({ ...parseJoinCode(server.join), secret: newIdentity().secret });
  const VERBS = [
    ["echo", "--count", "1"],
    ["get", ":there", "got"],
    ["get", ":missing", "got"],
    ["get", ":../there", "got"],
    ["put", "-", ":there"],
    ["put", "-", ":new/x"],
    ["put", "-", ":../x"],
  ];
  const answer = async (verb: string[], join: string) => {
    const { stdout } = await sock([...verb, "--json"], { env: { SOCK_JOIN: join }, stdin: "mine" });
    const { status, code, message } = resultOf(stdout);
    return { status, code, message };
  };
  const answers = await Promise.all(VERBS.map((verb) => answer(verb, stranger)));
  const [first] = answers;
  expect(first).toMatchObject({ status: 4, code: "unknown" });
  expect(new Set(answers.map((one) => JSON.stringify(one))).size).toBe(1);
  expect(await readdir(folder.path)).toEqual(["there"]);
  expect(await readFile(folder.join("there"), "utf8")).toBe("secret");
  // a good key is told apart what is there
  const good = await Promise.all(VERBS.slice(0, 4).map((verb) => answer(verb, server.join)));
  expect(good.map(({ status }) => status)).toEqual([0, 0, 7, 4]);
});

test("a measurement whose key is revoked ends within a second of the command, with 4 and its figures", async () => {
  await using server = await serve();
  const { stdout: code } = await sock(["invite", "--name", "kai"], { home: server.home });
  await using home = await temporaryFolder();
  const { host } = resultOf((await sock(["join", "--json"], { home: home.path, stdin: code })).stdout);
  await using relay = await Relay.start(server.port);
  await sock(["hosts", "set", String(host), `address=127.0.0.1:${relay.port}`], { home: home.path });
  await using live = await start(["echo", "--count", "1000000000", "--json"], { home: home.path });
  await until(() => relay.bytes.down > 20_000, "round trips");
  await using other = await start(["echo", "--count", "1000000000", "--json"], {
    env: { SOCK_JOIN: server.join },
  });
  // the code's name takes the keys along that came by it
  const began = performance.now();
  expect(await sock(["revoke", "kai"], { home: server.home })).toMatchObject({ status: 0 });
  expect(await live.ended()).toBe(4);
  expect(performance.now() - began).toBeLessThan(1500);
  const result = resultOf(live.stdout());
  expect(result).toMatchObject({ code: "revoked", complete: false });
  expect(result["done"]).toBeGreaterThan(10);
  expect(other.process.exitCode).toBe(null);
  expect(await sock(["echo", "--count", "1"], { home: home.path })).toMatchObject({ status: 4 });
});

describe("the list", () => {
  test("half written: serve refuses and names the file; whole again, it starts", async () => {
    await using home = await temporaryFolder();
    await mkdir(home.join("d"));
    const options = { home: home.path, args: [home.join("d")] };
    const first = await serve(options);
    const { stdout: code } = await sock(["invite", "--direct", "--name", "ci"], { home: home.path });
    await first.stop();
    const list = await sock(["clients", "--json"], { home: home.path });
    const clients = resultOf(list.stdout)["clients"] as { id: string; name: string }[];
    const id = clients.find(({ name }) => name === "ci")?.id;
    const file = home.join("sock", "server", "grants", `${id}.json`);
    const whole = await readFile(file);
    for (const length of [0, 1, whole.length >> 1, whole.length - 3]) {
      await truncate(file, length);
      const ran = await sock(["serve", home.join("d"), "--listen", "127.0.0.1:0", "--json"], {
        home: home.path,
        timeout: 5000,
      });
      expect({ length, ...resultOf(ran.stdout) }).toMatchObject({ length, status: 1, code: "state" });
      expect(ran.stderr).toContain(file);
      await writeFile(file, whole);
    }
    const listen = [`127.0.0.1:${first.port}`];
    await using again = await serve({ ...options, listen });
    expect(await sock(["echo", "--count", "1"], { env: { SOCK_JOIN: code } })).toMatchObject({ status: 0 });
    // while it runs: what the bad file granted is gone, the others stay, and the owner is told which it is
    await truncate(file, 10);
    await until(
      () =>
        events(again.stdout()).some(({ type, what }) => type === "warning" && String(what).includes(file)),
      "the warning",
    );
    expect(await sock(["echo", "--count", "1"], { env: { SOCK_JOIN: code } })).toMatchObject({ status: 4 });
    expect(await sock(["echo", "--count", "1"], { env: { SOCK_JOIN: again.join } })).toMatchObject({
      status: 0,
    });
  });

  test("loses nothing of ten invites, allows and revokes at once", async () => {
    await using server = await serve();
    const run = (...args: string[]) => sock(args, { home: server.home });
    await Promise.all(
      ["keep", "gone"].map((name) => run("invite", "--direct", "--allow", "put", "--name", name)),
    );
    const made = await Promise.all([
      ...Array.from({ length: 10 }, () => run("invite", "--direct", "--name", "ci")),
      ...["echo", "get", "ls", "udp"].map((cap) => run("clients", "allow", "keep", cap)),
      run("revoke", "gone"),
    ]);
    expect(made.map(({ status }) => status)).toEqual(made.map(() => 0));
    const echoes = await Promise.all(
      made.slice(0, 10).map(({ stdout }) => sock(["echo", "--count", "1"], { env: { SOCK_JOIN: stdout } })),
    );
    expect(echoes.map(({ status }) => status)).toEqual(echoes.map(() => 0));
    const list = resultOf((await run("clients", "--json")).stdout)["clients"] as { name: string }[];
    const ci = list.filter(({ name }) => name.startsWith("ci")).map(({ name }) => name);
    expect(new Set(ci)).toEqual(
      new Set(["ci", ...Array.from({ length: 9 }, (_, index) => `ci-${index + 2}`)]),
    );
    expect(list).toContainEqual(
      expect.objectContaining({ name: "keep", allows: ["echo", "udp", "put", "get", "ls"] }),
    );
    expect(list).toContainEqual(expect.objectContaining({ name: "gone", state: "revoked" }));
  });
});

/** Why a server can't be put into a root of its own here; "" where it can. */
function cantIsolate(): string {
  if (process.platform !== "linux") return "needs Linux";
  if (process.getuid?.() !== 0) return "needs root, to mount and to chroot";
  const tried = Bun.spawnSync([
    "unshare",
    "--mount",
    "--propagation",
    "private",
    "mount",
    "-t",
    "tmpfs",
    "none",
    "/mnt",
  ]);
  return tried.exitCode === 0 ? "" : "needs the right to mount";
}

/** A root with the program, its libraries, and folders to mount on; and a data folder that uid 65534 can write. */
async function makeRoot(home: TemporaryFolder): Promise<void> {
  for (const name of ["root", "root/data", "root/proc", "root/home", "data"]) await mkdir(home.join(name));
  await writeFile(home.join("root", "sock"), "");
  const libraries = Bun.spawnSync(["ldd", SOCK]).stdout.toString().match(/\/\S+/g) ?? [];
  const copied = Bun.spawnSync([
    "cp",
    "-L",
    "--parents",
    ...libraries.filter((path) => path !== SOCK),
    home.join("root"),
  ]);
  expect(copied.exitCode).toBe(0);
  await chown(home.join("data"), 65_534, 65_534);
  await chmod(home.path, 0o755);
}

/** Everything but `data` is read only; there is no /dev, no /etc, no /tmp. The words after it are run there. */
const INTO_ROOT = `
  PATH="$PATH:/usr/sbin:/sbin"
  mount --bind "$ROOT" "$ROOT" && mount --bind "$DATA" "$ROOT/data" && mount --bind "$SOCK" "$ROOT/sock" &&
  mount -t proc proc "$ROOT/proc" && mount -o remount,ro,bind "$ROOT" && mount -o remount,ro,bind "$ROOT/sock" &&
  exec chroot --userspec=65534:65534 "$ROOT" "$@"`;

const reason = cantIsolate();

describe(`a container without state${reason === "" ? "" : ` (skipped: ${reason})`}`, () => {
  test.skipIf(reason !== "")(
    "a server alone in a read-only root, a client with a home that can't be: both work, neither writes",
    async () => {
      await using home = await temporaryFolder();
      await using first = await serve();
      const { port } = first;
      await first.stop();
      await makeRoot(home);
      const pair = await sock([
        "invite",
        "--pair",
        "--host",
        `127.0.0.1:${port}`,
        "--allow",
        "echo,put,get",
        "--json",
      ]);
      const { serve: SOCK_SERVE, join: SOCK_JOIN } = resultOf(pair.stdout) as { serve: string; join: string };
      await using server = await start(["serve", "/data", "--listen", `127.0.0.1:${port}`], {
        home: home.path,
        env: {
          HOME: "/home",
          SOCK_HOME: "",
          SOCK_SERVE,
          ROOT: home.join("root"),
          DATA: home.join("data"),
          SOCK,
        },
        before: ["unshare", "--mount", "--propagation", "private", "sh", "-c", INTO_ROOT, "sh"],
        bin: "/sock",
      });
      const env = { HOME: "/proc", SOCK_HOME: "", SOCK_JOIN };
      const echo = await sock(["echo", "--ready", "5s", "--count", "3", "-q"], { env });
      expect({ echo, log: server.stderr() }).toMatchObject({ echo: { status: 0, stderr: "" } });
      expect(await sock(["put", "-", ":in/x"], { env, stdin: "stateless" })).toMatchObject({ status: 0 });
      expect(await sock(["get", ":in/x", "-"], { env })).toMatchObject({ status: 0, stdout: "stateless" });
      expect(await sock(["get", ":../home", "-"], { env })).toMatchObject({ status: 4, stdout: "" });
      server.process.kill("SIGTERM");
      expect(await server.ended()).toBe(0);
      expect(server.stdout() + server.stderr()).not.toMatch(/sock1_|sockserve1_|warning/);
      expect(await readdir(home.join("root", "home"))).toEqual([]);
      expect((await readdir(home.path)).toSorted()).toEqual(["data", "root"]);
      expect((await readdir(home.join("data"), { recursive: true })).toSorted()).toEqual(["in", "in/x"]);
    },
  );
});
