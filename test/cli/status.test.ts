/** The exit statuses are a contract: README.md's table and the code must say the same. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { CODES, STATUS } from "../../src/errors.ts";

const readme = readFileSync(resolve(import.meta.dir, "../../README.md"), "utf8");

interface Row {
  status: number;
  codes: string[];
}

const rows: Row[] = [...readme.matchAll(/^\| (\d+) \|[^|\n]+\|([^|\n]*)\|$/gm)].map(
  ([, status, codes = ""]) => ({
    status: Number(status),
    codes: [...codes.matchAll(/`([^`]+)`/g)].map(([, code = ""]) => code),
  }),
);

test("every status has one row, in order", () => {
  expect(rows.map((row) => row.status)).toEqual(Object.values(STATUS).sort((a, b) => a - b));
});

test("every error code stands in the row of its status, once", () => {
  const listed = rows.flatMap(({ status, codes }) => codes.map((code): [string, number] => [code, status]));
  expect(listed.length).toBe(Object.keys(CODES).length);
  expect(Object.fromEntries(listed)).toEqual(CODES);
});

test("a number never changes its meaning", () => {
  expect<object>(STATUS).toEqual({
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
  });
});
