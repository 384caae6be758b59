import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmod, mkdir, readdir, readFile, readlink, stat, symlink, writeFile } from "node:fs/promises";
import { ResultFile } from "../../src/cli/result-file.ts";
import { SockError } from "../../src/errors.ts";
import { type TemporaryFolder, temporaryFolder } from "../helpers/temp.ts";

let folder: TemporaryFolder;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(async () => {
  await folder[Symbol.asyncDispose]();
});

function refusal(path: string): string {
  try {
    return `none: ${typeof new ResultFile(path)}`;
  } catch (thrown) {
    return thrown instanceof SockError ? `${thrown.code}: ${thrown.message}` : String(thrown);
  }
}

test("a new one, whole, and nothing beside it", async () => {
  const path = folder.join("new.html");
  const file = new ResultFile(path);
  expect(await readdir(folder.path)).toEqual([]);
  await file.write("text");
  expect(await readFile(path, "utf8")).toBe("text");
  expect(await readdir(folder.path)).toEqual(["new.html"]);
});

test("one that is there keeps its mode, and who reads it meanwhile has the old one to its end", async () => {
  const path = folder.join("old.html");
  await writeFile(path, "old");
  await chmod(path, 0o662);
  const reader = Bun.file(path).stream().getReader();
  const before = await stat(path);
  await new ResultFile(path).write("new");
  expect(new TextDecoder().decode((await reader.read()).value)).toBe("old");
  await reader.cancel();
  const after = await stat(path);
  expect(await readFile(path, "utf8")).toBe("new");
  expect(after.ino).not.toBe(before.ino);
  expect(after.mode & 0o777).toBe(0o662);
});

test("a link stays a link", async () => {
  await writeFile(folder.join("target.html"), "old");
  await symlink("target.html", folder.join("link.html"));
  await new ResultFile(folder.join("link.html")).write("new");
  expect(await readlink(folder.join("link.html"))).toBe("target.html");
  expect(await readFile(folder.join("target.html"), "utf8")).toBe("new");
  await symlink("later.html", folder.join("early.html"));
  await new ResultFile(folder.join("early.html")).write("new");
  expect(await readlink(folder.join("early.html"))).toBe("later.html");
  expect(await readFile(folder.join("later.html"), "utf8")).toBe("new");
});

test("a device stays one; a file that is our own output is not replaced, and not cut", async () => {
  await new ResultFile("/dev/null").write("text");
  expect((await stat("/dev/null")).isCharacterDevice()).toBe(true);
  const log = folder.join("log");
  await writeFile(log, "before\n");
  const script = `
    import { ResultFile } from ${JSON.stringify(`${import.meta.dir}/../../src/cli/result-file.ts`)};
    await new ResultFile("/dev/stdout").write("page\\n");
  `;
  const child = Bun.spawn([
    "sh",
    "-c",
    `"$0" -e "$1" >> "$2"; echo after >> "$2"`,
    process.execPath,
    script,
    log,
  ]);
  expect(await child.exited).toBe(0);
  expect(await readFile(log, "utf8")).toBe("before\npage\nafter\n");
});

test("what can't be written is said before the run", async () => {
  await mkdir(folder.join("folder"));
  expect(refusal(folder.join("folder"))).toMatch(/^io: can't write ".*folder": it names a folder$/);
  expect(refusal(folder.join("none", "page.html"))).toMatch(
    /^io: can't write ".*page.html": no such file or folder$/,
  );
  for (const path of ["", ".", "..", folder.join("new/"), folder.join("..")]) {
    expect(refusal(path)).toStartWith("io: ");
  }
  // a name of dots is a name
  expect(refusal(folder.join("..."))).toStartWith("none");
  expect(refusal(folder.join("fine.html"))).toMatch(/^none/);
});
