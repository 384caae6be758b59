/** Many naive clients at once, for each dialect; each gets its own answers. */
import { describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { anywhere, naiveClient, plain, PYTHON } from "../helpers/plain.ts";
import { temporaryFolder } from "../helpers/temp.ts";
import { until } from "../helpers/until.ts";

const FIVE = [1, 2, 3, 4, 5];

describe.skipIf(PYTHON === null)("five at once (python3)", () => {
  test.each(["exec", "exec-length", "exec-header", "exec-textlen"])("%s", async (dialect) => {
    await using server = await plain([anywhere(dialect), "--max-clients", "5"]);
    const port = String(server.port(dialect));
    const said = await Promise.all(
      FIVE.map(async (one) =>
        naiveClient([dialect, port, `echo I am ${one}`, `sleep 0.2; echo still ${one}`]),
      ),
    );
    expect(said.map(String)).toEqual(FIVE.map((one) => `I am ${one}\nstill ${one}\n`));
    expect(server.events("refused")).toEqual([]);
  });

  test.each([
    ["ftp-gt", "put"],
    ["post-pipe", "post"],
  ])("%s: %s", async (dialect, verb) => {
    await using folder = await temporaryFolder();
    mkdirSync(folder.join("root"));
    await using server = await plain([
      anywhere(dialect),
      "--root",
      folder.join("root"),
      "--max-clients",
      "5",
    ]);
    for (const one of FIVE) writeFileSync(folder.join(`f${one}`), `${"abcdefgh".repeat(20_000)}${one}`);
    const words = (one: number): string[] => (verb === "put" ? ["put", `f${one}`] : [`f${one}`]);
    const port = String(server.port(dialect));
    await Promise.all(
      FIVE.map(async (one) => naiveClient(["--dir", folder.path, dialect, port, ...words(one)])),
    );
    await until(() => server.events("request").length === FIVE.length, "five files");
    for (const one of FIVE) {
      const came = readFileSync(folder.join("root", `f${one}`));
      expect(came.equals(readFileSync(folder.join(`f${one}`)))).toBe(true);
    }
  });

  test("five puts of one name are five files", async () => {
    await using folder = await temporaryFolder();
    mkdirSync(folder.join("root"));
    await using server = await plain([anywhere("post-pipe"), "--root", folder.join("root")]);
    writeFileSync(folder.join("same"), "content");
    const port = String(server.port("post-pipe"));
    await Promise.all(FIVE.map(async () => naiveClient(["--dir", folder.path, "post-pipe", port, "same"])));
    await until(() => server.events("request").length === FIVE.length, "five files");
    for (const name of ["same", "same.new", "same.new2", "same.new3", "same.new4"]) {
      expect(readFileSync(folder.join("root", name), "utf8")).toBe("content");
    }
  });
});
