import { expect, test } from "bun:test";
import { thisUser } from "../../src/os/user.ts";

test("name, home and shell are those of the system's list, as strings", async () => {
  const uid = process.geteuid?.();
  const line = await Bun.$`getent passwd ${uid ?? ""}`.nothrow().text();
  const [name = "", , , , , home = "", shell = ""] = line.trim().split(":");
  if (name === "") expect(thisUser()).toBeUndefined();
  else expect(thisUser()).toStrictEqual({ name, home, shell });
});
