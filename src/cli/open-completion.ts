/** What a word that is being typed may become: commands, names there, names here. */
import { type Typing, typed, typingAt } from "./open-words.ts";
import { escapeForDisplay } from "../text/escape.ts";

export interface KnownName {
  readonly name: string;
  readonly isFolder: boolean;
}

/** Whoever knows names: what is in a folder, which is written as the user did, with its last slash. */
export interface NameSources {
  readonly commands: Iterable<string>;
  remote(folder: string): Promise<readonly KnownName[]>;
  local(folder: string): readonly KnownName[];
}

type Side = "remote" | "folders" | "local" | "local-folders" | "both" | "commands";

/** What each command's words name: the first one, and the others. */
const SIDES: ReadonlyMap<string, readonly [Side, Side]> = new Map<string, readonly [Side, Side]>([
  ["help", ["commands", "commands"]],
  ["ls", ["remote", "remote"]],
  ["cd", ["folders", "folders"]],
  ["lcd", ["local-folders", "local-folders"]],
  ["cat", ["remote", "remote"]],
  ["get", ["remote", "both"]],
  ["put", ["local", "both"]],
]);

/** The completions of a line, and the end of it that they are for: each begins with that. */
export async function completions(line: string, sources: NameSources): Promise<[string[], string]> {
  const typing = typingAt(line);
  if (typing === undefined) return [[], ""];
  const { before, raw } = typing;
  const [command, ...others] = before.filter((word) => !word.startsWith("-"));
  if (command === undefined) return [commandsFor(typing, sources), raw];
  const side = SIDES.get(command)?.[others.length === 0 ? 0 : 1];
  if (side === undefined || typing.text.startsWith("-")) return [[], raw];
  if (side === "commands") return [commandsFor(typing, sources), raw];
  const isRemote = typing.text.startsWith(":");
  const text = isRemote ? typing.text.slice(1) : typing.text;
  const slash = text.lastIndexOf("/") + 1;
  const [folder, start] = [text.slice(0, slash), text.slice(slash)];
  const known: KnownName[] = [];
  const isLocal = side === "local" || side === "local-folders";
  if (!isLocal || isRemote) known.push(...(await sources.remote(folder)));
  if ((isLocal || side === "both") && !isRemote) known.push(...sources.local(folder));
  const fitting = known.filter(
    ({ name, isFolder }) =>
      name.startsWith(start) &&
      (start !== "" || !name.startsWith(".")) &&
      ((side !== "folders" && side !== "local-folders") || isFolder) &&
      // what would have to be escaped can't be typed either
      escapeForDisplay(name) === name,
  );
  const words = fitting.map(({ name, isFolder }) => whole(typing, name.slice(start.length), isFolder));
  return [[...new Set(words)].sort(), raw];
}

function commandsFor(typing: Typing, { commands }: NameSources): string[] {
  return [...commands]
    .filter((name) => name.startsWith(typing.text))
    .map((name) => whole(typing, name.slice(typing.text.length), false));
}

/** The word as it was typed, with its rest; a folder's name can go on. */
function whole({ raw, quote }: Typing, rest: string, isFolder: boolean): string {
  return `${raw}${typed(rest, quote)}${isFolder ? "/" : `${quote} `}`;
}
