import { expect, test } from "bun:test";
import { formatMode } from "../../src/text/mode.ts";

test("modes as ls shows them", () => {
  const cases: [Parameters<typeof formatMode>, string][] = [
    [["file", 0o644], "-rw-r--r--"],
    [["folder", 0o755], "drwxr-xr-x"],
    [["link", 0o777], "lrwxrwxrwx"],
    [["other", 0], "?---------"],
    [["file", 0o4755], "-rwsr-xr-x"],
    [["file", 0o2644], "-rw-r-Sr--"],
    [["folder", 0o1777], "drwxrwxrwt"],
    [["folder", 0o7000], "d--S--S--T"],
    [["file", null], "-?????????"],
  ];
  for (const [given, shown] of cases) expect(formatMode(...given)).toBe(shown);
});
