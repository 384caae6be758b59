import { describe, expect, test } from "bun:test";
import type { SockError } from "../../src/errors.ts";
import { fsFailure } from "../../src/files/failure.ts";

describe("what the system says", () => {
  const SAID: [errno: string, code: SockError["code"], status: number][] = [
    ["ENOSPC", "no-space", 8],
    ["EDQUOT", "quota", 8],
    ["EFBIG", "too-large", 8],
    ["EROFS", "permission", 1],
    ["EACCES", "permission", 1],
    ["EPERM", "permission", 1],
    ["ENOENT", "not-found", 7],
    ["EEXIST", "exists", 12],
    ["ELOOP", "outside", 4],
    ["ENAMETOOLONG", "bad-name", 4],
    ["EIO", "io", 1],
    ["EMFILE", "busy", 6],
  ];
  for (const [errno, code, status] of SAID) {
    test(`${errno} is ${code}, ${status}, with the path`, () => {
      const error = fsFailure(Object.assign(new Error(errno), { code: errno }), "a/b");
      expect(error).toMatchObject({ code, status });
      expect(error.message).toStartWith("a/b: ");
    });
  }
});
