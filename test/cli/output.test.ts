import { expect, test } from "bun:test";
import { closeSync, openSync } from "node:fs";
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
