import { expect, test } from "bun:test";
import { TextOutput } from "../../src/cli/text-output.ts";
import { until } from "../helpers/until.ts";

const GBK = { kind: "text", encoding: "gbk", stated: true } as const;
const PROMPT = Uint8Array.fromHex("cfb5cdb3"); // could be UTF-8 too

function collecting(choice: ConstructorParameters<typeof TextOutput>[0]) {
  const written: Uint8Array[] = [];
  const output = new TextOutput(choice, async (bytes) => {
    written.push(new Uint8Array(bytes));
  });
  return { output, bytes: () => Buffer.concat(written) };
}

test("a prompt without LF shows by itself", async () => {
  const { output, bytes } = collecting({ decoding: GBK, send: "gbk", out: "utf-8" });
  await output.push(PROMPT);
  expect(bytes().toString()).toBe("");
  await until(() => bytes().length > 0, "the prompt");
  expect(bytes().toString()).toBe("系统");
  await output.end();
  expect(bytes().toString()).toBe("系统");
});

test("the end brings what waits, in the encoding that was asked for", async () => {
  const { output, bytes } = collecting({ decoding: GBK, send: "gbk", out: "utf-16le" });
  await output.push(PROMPT);
  await output.end();
  expect(bytes().toString("utf16le")).toBe("系统");
});

test("raw is raw", async () => {
  const { output, bytes } = collecting({ decoding: { kind: "raw" }, send: "utf-8", out: "raw" });
  await output.push(PROMPT);
  expect(bytes().equals(PROMPT)).toBe(true);
});
