import { describe, expect, test } from "bun:test";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import {
  createState,
  ensureFolder,
  listState,
  readRecord,
  readState,
  removeState,
  stateFolder,
  sweepTemporaries,
  writeState,
} from "../../src/files/state.ts";
import { codeOf, errorOf } from "../helpers/codes.ts";
import { temporaryFolder } from "../helpers/temp.ts";

const posix = process.platform === "win32" ? test.skip : test;
const mode = (path: string): number => lstatSync(path).mode & 0o777;

describe("the state folder", () => {
  test("is SOCK_HOME, else the platform's", () => {
    expect(stateFolder({ SOCK_HOME: "/x" }, "linux", "/home/kai")).toBe("/x");
    expect(stateFolder({ SOCK_HOME: "", XDG_CONFIG_HOME: "/etc/kai" }, "linux", "/home/kai")).toBe(
      join("/etc/kai", "sock"),
    );
    expect(stateFolder({ XDG_CONFIG_HOME: "relative" }, "linux", "/home/kai")).toBe(
      join("/home/kai", ".config", "sock"),
    );
    expect(stateFolder({ APPDATA: "/appdata" }, "win32", "/home/kai")).toBe(join("/appdata", "sock"));
    expect(stateFolder({ APPDATA: "/appdata" }, "linux", "/home/kai")).toBe(
      join("/home/kai", ".config", "sock"),
    );
  });

  posix("files are 0600 in folders of 0700, whatever the umask and whatever was there", async () => {
    await using folder = await temporaryFolder();
    const old = process.umask(0);
    try {
      mkdirSync(folder.join("server"), { mode: 0o755 });
      const path = folder.join("server", "grants", "a.json");
      expect(createState(path, "x")).toBe(true);
      writeState(folder.join("server", "b.json"), "x");
      expect(mode(folder.join("server"))).toBe(0o700);
      expect(mode(folder.join("server", "grants"))).toBe(0o700);
      expect(mode(path)).toBe(0o600);
      expect(mode(folder.join("server", "b.json"))).toBe(0o600);
      chmodSync(path, 0o644);
      readState(path);
      expect(mode(path)).toBe(0o600);
    } finally {
      process.umask(old);
    }
  });

  posix("a file or a link in the place of a folder is refused", async () => {
    await using folder = await temporaryFolder();
    writeFileSync(folder.join("file"), "");
    mkdirSync(folder.join("elsewhere"), { mode: 0o755 });
    symlinkSync(folder.join("elsewhere"), folder.join("link"));
    expect(codeOf(() => ensureFolder(folder.join("file")))).toBe("state");
    expect(codeOf(() => ensureFolder(folder.join("link")))).toBe("state");
    expect(mode(folder.join("elsewhere"))).toBe(0o755);
  });
});

describe("files of the state folder", () => {
  test("write replaces, create does not, neither leaves anything else", async () => {
    await using folder = await temporaryFolder();
    const path = folder.join("a");
    expect(readState(path)).toBeUndefined();
    writeState(path, "one");
    writeState(path, "two");
    expect(createState(path, "three")).toBe(false);
    expect(readState(path)).toBe("two");
    expect(readdirSync(folder.path)).toEqual(["a"]);
    expect(removeState(path)).toBe(true);
    expect(removeState(path)).toBe(false);
    expect(listState(folder.join("nowhere"))).toEqual([]);
  });

  test("of many processes that create the same file one wins, and its contents are whole", async () => {
    await using folder = await temporaryFolder();
    const path = folder.join("a");
    const script = `import { createState } from ${JSON.stringify(join(import.meta.dir, "../../src/files/state.ts"))};
      process.exit(createState(${JSON.stringify(path)}, "process " + process.pid) ? 0 : 7);`;
    const children = Array.from({ length: 8 }, () => Bun.spawn([process.execPath, "-e", script]));
    const statuses = await Promise.all(children.map((child) => child.exited));
    const winner = children[statuses.indexOf(0)];
    expect(statuses.toSorted((a, b) => a - b)).toEqual([0, 7, 7, 7, 7, 7, 7, 7]);
    expect(readState(path)).toBe(`process ${winner?.pid}`);
    expect(readdirSync(folder.path)).toEqual(["a"]);
  });

  test("half a file, a wrong one and a huge one are named", async () => {
    await using folder = await temporaryFolder();
    const path = folder.join("half.json");
    writeFileSync(path, '{"version":1,"na');
    const error = errorOf(() => readRecord(path, (value) => value));
    expect(error?.code).toBe("state");
    expect(error?.message).toContain(path);
    writeFileSync(path, "{}");
    const check = (): never => {
      throw new Error("is not mine");
    };
    expect(errorOf(() => readRecord(path, check))?.message).toContain(path);
    expect(codeOf(() => readRecord(path, (value) => value))).toBeUndefined();
    writeFileSync(path, " ".repeat(300_000));
    expect(errorOf(() => readState(path))?.message).toContain(path);
    expect(codeOf(() => readState(folder.path))).toBe("state");
  });

  test("what a killed process left is swept away, what is being written is not", async () => {
    await using folder = await temporaryFolder();
    const [old, fresh, other] = [
      folder.join(".tmp-0123456789abcdef"),
      folder.join(".tmp-fedcba9876543210"),
      folder.join(".tmp-notes"),
    ];
    for (const path of [old, fresh, other]) writeFileSync(path, "");
    for (const path of [old, other]) utimesSync(path, 1, 1);
    sweepTemporaries(folder.path);
    expect(readdirSync(folder.path).toSorted()).toEqual([".tmp-fedcba9876543210", ".tmp-notes"]);
    sweepTemporaries(folder.join("nowhere"));
  });
});
