/** The user who runs this, by the system's list of users: Bun's own userInfo() asks the environment. */
import { readFileSync } from "node:fs";
import { userInfo } from "node:os";
import { passwd } from "./native.ts";

export interface User {
  readonly name: string;
  readonly home: string;
  /** Path of the login shell. */
  readonly shell: string;
}

let known: User | undefined;

/** Undefined on Windows, and where the list does not have this user (a container's `--user 1234`). */
export function thisUser(): User | undefined {
  const uid = process.geteuid?.();
  if (uid === undefined) return undefined;
  known ??= passwd(uid) ?? fromFile(uid);
  return known;
}

/** Undefined in a container whose uid has no name. */
export function userName(): string | undefined {
  try {
    return thisUser()?.name ?? userInfo().username;
  } catch {
    return undefined;
  }
}

/** passwd(5): name, password, uid, gid, comment, home, shell. */
function fromFile(uid: number): User | undefined {
  try {
    const line = readFileSync("/etc/passwd", "utf8")
      .split("\n")
      .find((each) => each.split(":")[2] === String(uid));
    const [name = "", , , , , home = "", shell = ""] = line?.split(":") ?? [];
    return name === "" ? undefined : { name, home, shell };
  } catch {
    return undefined;
  }
}
