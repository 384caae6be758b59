import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, constants, openSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { Output } from "../../src/cli/output.ts";
import { temporaryFolder } from "../helpers/temp.ts";

test("everything arrives, in order, before drain ends", async () => {
  await using folder = await temporaryFolder();
  const fd = openSync(folder.join("out"), "w");
  const output = new Output(fd);
  let expected = "";
  for (let line = 0; line < 1000; line += 1) {
    expected += `${line}\n`;
    output.message(`${line}\n`);
  }
  await output.drain();
  closeSync(fd);
  expect(await readFile(folder.join("out"), "utf8")).toBe(expected);
});

test("a failed write rejects, is kept, and is told once", async () => {
  await using folder = await temporaryFolder();
  const fd = openSync(folder.join("out"), "w");
  const readOnly = openSync(folder.join("out"), "r");
  const output = new Output(readOnly);
  const told: (string | undefined)[] = [];
  output.onFailure = (failure) => told.push(failure.code);
  await output.write(new Uint8Array(2_000_000)).catch(() => undefined);
  await output.drain();
  expect(output.failure?.code).toBe("EBADF");
  expect(await output.write(new Uint8Array(1)).catch(() => "refused")).toBe("refused");
  expect(told).toEqual(["EBADF"]);
  closeSync(fd);
  closeSync(readOnly);
});

test.skipIf(process.platform !== "linux")(
  "what is lent goes through a pipe in its order, whether there is room or not, and the pipe stays a blocking one",
  async () => {
    await using folder = await temporaryFolder();
    const path = folder.join("pipe");
    expect(spawnSync("mkfifo", [path]).status).toBe(0);
    // for reading too: so that it has both ends from the beginning
    const fd = openSync(path, "r+");
    const output = new Output(fd);
    const pieces = Array.from({ length: 800 }, (_, at) =>
      new Uint8Array(1 + ((at * 7919) % 200_000)).fill(at),
    );
    const total = pieces.reduce((bytes, piece) => bytes + piece.length, 0);
    const hash = createHash("sha256");
    for (const piece of pieces) hash.update(piece);
    const reader = Bun.spawn(["sh", "-c", `head -c ${total} "$1" | sha256sum`, "sh", path], {
      stdout: "pipe",
    });
    const lent: Promise<void>[] = [];
    for (const [at, piece] of pieces.entries()) {
      // the memory is used again as soon as it is said to be free
      const done = output.lent(piece).then(() => void piece.fill(0xff));
      if (at % 3 === 0) await done;
      else lent.push(done);
    }
    await Promise.all(lent);
    expect((await reader.stdout.text()).slice(0, 64)).toBe(hash.digest("hex"));
    const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1];
    expect(Number.parseInt(flags ?? "", 8) & constants.O_NONBLOCK).toBe(0);
    closeSync(fd);
  },
);
