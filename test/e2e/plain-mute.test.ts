/** A peer that says nothing, as one of another dialect does, is told of and still waited for. */
import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { sock } from "../helpers/run.ts";
import { temporaryFolder } from "../helpers/temp.ts";

describe("nothing comes", () => {
  const LINES: [string, string[]][] = [
    ["shell", ["--dialect", "exec-length", "-c", "ls"]],
    ["put", []],
    ["get", ["x"]],
  ];
  test.concurrent.each(LINES)("%s", async (verb, words) => {
    await using here = await temporaryFolder();
    writeFileSync(here.join("f"), "f");
    const data = (): void => undefined;
    using mute = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data } });
    const url = `tcp://127.0.0.1:${mute.port}`;
    const argv = [verb, ...(verb === "put" ? ["f"] : []), url, ...words, "--timeout", "7s"];
    const ran = await sock(argv, { home: here.path });
    expect(ran.status).toBe(verb === "shell" ? 255 : 6);
    expect(ran.stderr).toMatch(/warning: nothing has come so far\nsock: hint: another --dialect\?/);
    expect(ran.stderr).toMatch(/--timeout is over/);
  });
});
