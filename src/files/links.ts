/** Where a symbolic link leads, as steps below a root. */
import { join, sep } from "node:path";
import { SockError } from "../errors.ts";
import { checkName, type Name, sameName } from "./names.ts";

/** The step to the folder above; only links have it. */
export const UP = Symbol("..");
export type Step = Name | typeof UP;

/**
 * A link's target (its pieces between slashes; an absolute one begins with "") as steps from the link's folder, or with
 * `absolute` from the root. `aliases` are the absolute paths that mean the root. Throws `outside`, `bad-name`.
 */
export function linkSteps(
  target: readonly Name[],
  aliases: readonly (readonly Name[])[],
): { steps: Step[]; absolute: boolean } {
  const absolute = target[0] === "" && target.length > 1;
  const steps: Step[] = [];
  for (const name of absolute ? belowRoot(target.slice(1), aliases) : target) {
    if (name === "" || name === ".") continue;
    if (name !== "..") checkName(name);
    steps.push(name === ".." ? UP : name);
  }
  return { steps, absolute };
}

/** The names of an absolute path, in the form that the targets of links have here. */
export function absoluteNames(path: string): string[] {
  return join(path, ".")
    .split(sep)
    .filter((name) => name !== "");
}

function belowRoot(names: readonly Name[], aliases: readonly (readonly Name[])[]): readonly Name[] {
  for (const alias of aliases) {
    if (alias.every((name, index) => sameName(name, names[index] ?? ""))) return names.slice(alias.length);
  }
  throw new SockError("outside", "a link leads outside");
}
