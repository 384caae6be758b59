import { describe, expect, test } from "bun:test";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import manifest from "../../package.json" with { type: "json" };
import { CODES, STATUS } from "../../src/errors.ts";
import { resultOf, SOCK, sock } from "../helpers/run.ts";
import { temporaryFolder } from "../helpers/temp.ts";

/** The contract with scripts: a number here never changes, new ones may be added. */
const FROZEN_STATUSES = {
  done: 0,
  failed: 1,
  usage: 2,
  threshold: 3,
  denied: 4,
  notThatServer: 5,
  unreachable: 6,
  notFound: 7,
  noSpace: 8,
  differs: 9,
  someFailed: 10,
  untrusted: 11,
  exists: 12,
  interrupted: 130,
  terminated: 143,
};

/** The same for the codes that each status has. */
const FROZEN_CODES: Record<number, string[]> = {
  1: ["failed", "io", "internal", "state", "port-in-use", "protocol", "changed", "cut"],
  2: ["usage"],
  3: ["threshold"],
  4: ["no-code", "unknown", "expired", "revoked", "used-up", "capability", "policy", "read-only", "outside"],
  5: ["wrong-server", "not-sock", "version"],
  6: ["refused", "unreachable", "silent", "lost", "timeout", "busy", "draining"],
  7: ["not-found"],
  8: ["no-space", "quota", "too-large"],
  9: ["differs"],
  10: ["some-failed"],
  11: ["not-trusted"],
  12: ["exists"],
  130: ["interrupted"],
  143: ["terminated"],
};

describe("exit statuses", () => {
  test("are what they were", () => expect(STATUS).toMatchObject(FROZEN_STATUSES));

  for (const [status, codes] of Object.entries(FROZEN_CODES)) {
    test(`${status} is that of ${codes.join(", ")}`, () => {
      const table: Record<string, number> = CODES;
      expect(codes.map((code) => [code, table[code]])).toEqual(codes.map((code) => [code, Number(status)]));
    });
  }

  test("help lists every one of them", async () => {
    const { stdout } = await sock(["help", "status"]);
    const listed = [...stdout.matchAll(/^ +(\d+) /gm)].map((match) => Number(match[1]));
    expect(listed).toEqual(Object.values(STATUS));
  });
});

describe("usage errors are status 2, on stderr, with nothing on stdout", () => {
  const LINES = [
    [],
    ["hlep"],
    ["--hlep"],
    ["help", "--jsn"],
    ["help", "a", "b"],
    ["help", "nosuch"],
    ["--timeout"],
  ];
  for (const line of [
    ...LINES,
    ["help", "--timeout"],
    ["--timeout", "5", "help"],
    ["__proto__"],
    ["-x", "help"],
  ]) {
    test(["sock", ...line].join(" "), async () => {
      const { stdout, stderr, status } = await sock(line);
      expect({ stdout, status }).toEqual({ stdout: "", status: 2 });
      expect(stderr).toMatch(/^sock: /m);
    });
  }
});

test("did you mean", async () => {
  expect((await sock(["hepl"])).stderr).toContain("sock help");
  expect((await sock(["help", "--jsno"])).stderr).toContain("--json");
  expect((await sock(["help", "statsu"])).stderr).toContain("sock help status");
});

test("help is data on stdout, status 0", async () => {
  for (const line of [
    ["help"],
    ["--help"],
    ["-h"],
    ["help", "help"],
    ["help", "--help"],
    ["help", "-h", "--bad"],
  ]) {
    const { stdout, stderr, status } = await sock(line);
    expect({ line, stderr, status, empty: stdout === "" }).toEqual({
      line,
      stderr: "",
      status: 0,
      empty: false,
    });
  }
});

test("every command explains itself, with an example", async () => {
  const { stdout } = await sock(["help"]);
  const names = [...(/^commands\n((?: .*\n)+)/m.exec(stdout)?.[1] ?? "").matchAll(/^ {2}(\w+)/gm)].map(
    ([, name]) => name,
  );
  expect(names).toContain("help");
  const pages = await Promise.all(names.map((name) => sock([name ?? "", "--help"])));
  for (const page of pages) {
    expect(page.status).toBe(0);
    expect(page.stdout).toMatch(/^examples$/m);
  }
});

test("the version is that of package.json", async () => {
  for (const flag of ["--version", "-V"]) {
    expect(await sock([flag])).toMatchObject({ stdout: `sock ${manifest.version}\n`, stderr: "", status: 0 });
  }
});

test("--json ends in a result, also for a usage error", async () => {
  const { stdout, status } = await sock(["help", "nosuch", "--json"]);
  expect(status).toBe(2);
  expect(resultOf(stdout)).toMatchObject({
    type: "result",
    schema: 1,
    sock: manifest.version,
    status: 2,
    code: "usage",
  });
});

test("-q leaves the errors", async () => {
  const { stderr } = await sock(["-q", "nosuch"]);
  expect(stderr).toMatch(/^sock: .*\n/);
});

test("no escape sequence where stderr is no terminal, and none of an argument", async () => {
  const { stderr } = await sock(["\x1b[31mred\x1b[0m\u202e"]);
  // oxlint-disable-next-line no-control-regex -- control characters are what it looks for
  expect(stderr).not.toMatch(/[\x00-\x09\x0b-\x1f\u202e]/);
});

test("a bunfig.toml and a .env in the folder do nothing", async () => {
  await using folder = await temporaryFolder();
  const mark = folder.join("mark");
  await mkdir(folder.join("sub"));
  const preload = `import { writeFileSync } from "node:fs"; writeFileSync(${JSON.stringify(mark)}, "ran"); console.log("HOSTILE");`;
  await writeFile(folder.join("preload.ts"), preload);
  await writeFile(
    folder.join("bunfig.toml"),
    `preload = ["./preload.ts"]\n[run]\npreload = ["./preload.ts"]\n`,
  );
  await writeFile(
    folder.join(".env"),
    "NODE_OPTIONS=--require=./preload.ts\nBUN_OPTIONS=--preload=./preload.ts\nPROBE=1\n",
  );
  const files = await readFile(folder.join("bunfig.toml"), "utf8");
  expect(files).toContain("preload");

  const { stdout, status } = await sock(["--version"], { cwd: folder.path });
  expect({ stdout, status }).toEqual({ stdout: `sock ${manifest.version}\n`, status: 0 });
  expect(await Bun.file(mark).exists()).toBe(false);

  // the same folder does act on a program that was built without the precautions: else this test could not fail
  await writeFile(folder.join("probe.ts"), `console.log("env", process.env["PROBE"] ?? "none");`);
  const build = ["build", "--compile", "probe.ts", "--outfile", "probe"];
  const built = Bun.spawn([process.execPath, ...build], {
    cwd: folder.path,
    stdout: "ignore",
    stderr: "ignore",
  });
  expect(await built.exited).toBe(0);
  const probe = Bun.spawn([folder.join("probe")], {
    cwd: folder.path,
    stdout: "pipe",
    stderr: "ignore",
    env: {},
  });
  const said = await probe.stdout.text();
  expect(said).toContain("env 1");
  expect(said).toContain("HOSTILE");
});

describe("stdout", () => {
  const LARGE = resolve(import.meta.dir, "../helpers/large-output.ts");
  const ARGV = [process.execPath, LARGE];

  test("of 8 MB arrives whole through a pipe, though the program has long wanted to leave", async () => {
    const child = Bun.spawn([...ARGV, "8000000"], { stdout: "pipe", stderr: "pipe" });
    expect((await child.stdout.bytes()).length).toBe(8_000_000);
    expect(await child.exited).toBe(0);
  });

  test("that was closed early is a quiet failure", async () => {
    const script = `"$@" | head -c 10 >/dev/null; exit "\${PIPESTATUS[0]}"`;
    const child = Bun.spawn(["bash", "-c", script, "bash", ...ARGV, "8000000"], {
      stdout: "pipe",
      stderr: "pipe",
    });
    expect(await child.stderr.text()).toBe("");
    expect(await child.exited).toBe(STATUS.failed);
  });

  test("on a full disk is status 8", async () => {
    const child = Bun.spawn(["bash", "-c", `"$@" >/dev/full`, "bash", SOCK, "help"], { stderr: "pipe" });
    expect(await child.stderr.text()).toMatch(/^sock: /);
    expect(await child.exited).toBe(STATUS.noSpace);
  });

  test("and stderr are left in blocking mode for the programs that share the pipe", async () => {
    const script = `{ "$@" help; "$@" nosuch; head -c 300000 /dev/zero; echo "status $?" >&3; } 3>&2 2>&1 | { sleep 0.3; cat >/dev/null; }`;
    const child = Bun.spawn(["bash", "-c", script, "bash", SOCK], { stdout: "ignore", stderr: "pipe" });
    expect(await child.stderr.text()).toContain("status 0");
  });
});
