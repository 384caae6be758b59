import { describe, expect, test } from "bun:test";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isRunning, withLock } from "../../src/files/lock.ts";
import { readState } from "../../src/files/state.ts";
import { rejectionOf } from "../helpers/codes.ts";
import { temporaryFolder } from "../helpers/temp.ts";

const source = (name: string): string => JSON.stringify(join(import.meta.dir, "../../src/files", name));

/** The id of a process that has ended. */
async function deadPid(): Promise<number> {
  const child = Bun.spawn([process.execPath, "-e", ""]);
  await child.exited;
  return child.pid;
}

describe("withLock", () => {
  test("work of several processes and calls never overlaps", async () => {
    await using folder = await temporaryFolder();
    const counter = folder.join("counter");
    writeFileSync(counter, "0");
    const script = `import { withLock } from ${source("lock.ts")};
      import { readState, writeState } from ${source("state.ts")};
      const one = () => withLock(${JSON.stringify(folder.path)}, "count", async () => {
        const value = Number(readState(${JSON.stringify(counter)}));
        await Promise.resolve();
        writeState(${JSON.stringify(counter)}, String(value + 1));
      });
      for (let n = 0; n < 5; n += 1) await Promise.all([one(), one()]);`;
    const children = Array.from({ length: 4 }, () =>
      Bun.spawn([process.execPath, "-e", script], { stderr: "inherit" }),
    );
    expect(await Promise.all(children.map((child) => child.exited))).toEqual([0, 0, 0, 0]);
    expect(readState(counter)).toBe("40");
    expect(readdirSync(folder.path)).toEqual(["counter"]);
  }, 20_000);

  test("a dead process's lock is taken over, also by several at once", async () => {
    await using folder = await temporaryFolder();
    const lock = JSON.stringify({ pid: await deadPid(), token: "0123456789abcdef" });
    writeFileSync(folder.join(".x.lock"), lock);
    let inside = 0;
    let most = 0;
    const one = (): Promise<void> =>
      withLock(folder.path, "x", async () => {
        inside += 1;
        most = Math.max(most, inside);
        await Promise.resolve();
        inside -= 1;
      });
    await Promise.all([one(), one(), one()]);
    expect(most).toBe(1);
    expect(readdirSync(folder.path)).toEqual([]);
  });

  test("an earlier process with our own id (in containers always 1) is dead", async () => {
    await using folder = await temporaryFolder();
    writeFileSync(folder.join(".x.lock"), JSON.stringify({ pid: process.pid, token: "0123456789abcdef" }));
    expect(await withLock(folder.path, "x", () => 42)).toBe(42);
  });

  test("failed work gives the lock back", async () => {
    await using folder = await temporaryFolder();
    const failing = withLock(folder.path, "x", () => {
      throw new Error("no");
    });
    expect(failing).rejects.toThrow();
    await failing.catch(() => undefined);
    expect(await withLock(folder.path, "x", () => 42)).toBe(42);
  });

  test("a living process's lock is waited for, not for ever", async () => {
    await using folder = await temporaryFolder();
    writeFileSync(folder.join(".x.lock"), JSON.stringify({ pid: process.ppid, token: "0123456789abcdef" }));
    expect(await rejectionOf(withLock(folder.path, "x", () => 42, 50))).toBe("state");
  });
});

test("isRunning", async () => {
  expect(isRunning(process.pid)).toBe(true);
  expect(isRunning(await deadPid())).toBe(false);
});
