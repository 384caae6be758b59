import { describe, expect, test } from "bun:test";
import { readArgs } from "../../src/cli/args.ts";
import { type ArgDefs, GLOBAL_ARGS } from "../../src/cli/verb.ts";
import { SockError } from "../../src/errors.ts";

const DEFS = {
  ...GLOBAL_ARGS,
  host: { type: "positional" },
  paths: { type: "positional", required: false, variadic: true },
  name: { type: "string", alias: "n" },
  listen: { type: "string", repeat: true },
  wait: { type: "string", kind: "duration", default: "2s" },
  size: { type: "string", kind: "bytes" },
  count: { type: "string", kind: "count" },
  loss: { type: "string", kind: "share" },
  on: { type: "enum", options: ["skip", "replace"], default: "replace" },
  sync: { type: "boolean", negativeDescription: "do not wait for the disk" },
  shell: { type: "boolean" },
  "no-replace": { type: "boolean", alias: "R" },
} as const satisfies ArgDefs;

function read(line: string[], words = false) {
  return readArgs(line, DEFS, { words, command: "test" });
}

function refusal(line: string[]): SockError {
  try {
    read(line);
  } catch (error) {
    if (error instanceof SockError) return error;
  }
  throw new Error(`taken: ${line.join(" ")}`);
}

test("flags in every form", () => {
  for (const line of [["--name=x"], ["--name", "x"], ["-n", "x"], ["-nx"], ["-n=x"], ["-qn", "x"]]) {
    expect(read(["web1", ...line]).values["name"]).toBe("x");
  }
  expect(read(["web1", "--name="]).values["name"]).toBe("");
  expect(read(["web1", "--name", "-"]).values["name"]).toBe("-");
  expect(read(["web1", "--name", "a=b=c"]).values["name"]).toBe("a=b=c");
  expect(read(["web1"]).values["name"]).toBeUndefined();
});

test("booleans, negated and counted", () => {
  expect(read(["web1"]).values).toMatchObject({ sync: false, shell: false, quiet: false });
  expect(read(["web1", "--sync"]).values["sync"]).toBe(true);
  expect(read(["web1", "--sync", "--no-sync"]).values["sync"]).toBe(false);
  expect(read(["web1", "-vv", "-v"]).counts.get("verbose")).toBe(3);
});

test("a boolean whose own name begins with no-", () => {
  expect(read(["web1"]).values["no-replace"]).toBe(false);
  expect(read(["web1", "--no-replace"]).values["no-replace"]).toBe(true);
  expect(read(["web1", "-R"]).values["no-replace"]).toBe(true);
  expect(refusal(["web1", "--no-no-replace"]).code).toBe("usage");
});

test("kinds and defaults", () => {
  expect(read(["web1"]).values).toMatchObject({ wait: 2000, on: "replace", listen: [], paths: [] });
  expect(read(["web1", "--wait", "500ms", "--count=7", "--loss", "0.5%"]).values).toMatchObject({
    wait: 500,
    count: 7,
    loss: 0.005,
  });
  expect(read(["web1", "--listen=a", "--listen", "b"]).values["listen"]).toEqual(["a", "b"]);
});

test("positionals before, between and after flags", () => {
  const { values } = read(["web1", "-q", "a", "--name", "x", "-", "b"]);
  expect(values).toMatchObject({ host: "web1", paths: ["a", "-", "b"], name: "x", quiet: true });
});

test("-- ends the flags, or hands the rest over raw", () => {
  expect(read(["web1", "--", "-x", "--help"]).values).toMatchObject({
    paths: ["-x", "--help"],
    words: undefined,
  });
  const { values } = read(["web1", "--", "ls", "--help", "--", "-q"], true);
  expect(values).toMatchObject({ paths: [], words: ["ls", "--help", "--", "-q"], help: false, quiet: false });
});

describe("refused", () => {
  const LINES: string[][] = [
    ["web1", "--nmae", "x"],
    ["web1", "-x"],
    ["web1", "-qx"],
    ["web1", "--name"],
    ["web1", "--name", "--json"],
    ["web1", "--name", "--on=skip"],
    ["web1", "--name", "--"],
    ["web1", "--shell=yes"],
    ["web1", "--no-shell"],
    ["web1", "--no-name"],
    ["web1", "--on", "never"],
    ["web1", "--wait", "5"],
    ["web1", "--wait", "-5s"],
    ["web1", "--size", "1x"],
    ["web1", "--count", "1.5"],
    ["web1", "--count", "9007199254740993"],
    ["web1", "--loss", "0.5"],
    ["web1", "--loss", "101%"],
    ["web1", "--__proto__", "x"],
    ["web1", "--constructor"],
    [],
    ["--quiet"],
  ];
  for (const line of LINES) test(line.join(" "), () => expect(refusal(line).code).toBe("usage"));

  test("one word too many", () => {
    const defs: ArgDefs = { host: { type: "positional" } };
    expect(() => readArgs(["a", "b"], defs, { words: false, command: "x" })).toThrow(SockError);
  });

  test("says what was meant", () => {
    expect(refusal(["web1", "--nmae", "x"]).hint).toContain("--name");
    expect(refusal(["web1", "--completely-else"]).hint).toBe("sock help test lists its flags");
  });
});
