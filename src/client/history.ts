/** Lines that were typed in interactive sessions, for the next one. Not kept for servers of which nothing is to be written. */
import { join } from "node:path";
import { homedir } from "node:os";
import { isStrings } from "../files/local.ts";
import { readRecord, recordText, stateFolder, writeState } from "../files/state.ts";
import { clientFolder } from "./host-store.ts";

type Env = Record<string, string | undefined>;

/** Most lines that are kept, and their characters in all. */
const MOST_LINES = 1000;
const MOST_CHARACTERS = 50_000;

/** Newest first; none where they can't be read: a session needs none. */
export function readHistory(env: Env): string[] {
  try {
    return readRecord(historyPath(env), asLines) ?? [];
  } catch {
    return [];
  }
}

/** Nothing happens where it can't be written. */
export function writeHistory(env: Env, lines: readonly string[]): void {
  const kept: string[] = [];
  let left = MOST_CHARACTERS;
  for (const line of lines.slice(0, MOST_LINES)) {
    left -= line.length;
    if (left < 0) break;
    kept.push(line);
  }
  try {
    writeState(historyPath(env), recordText({ version: 1, lines: kept }));
  } catch {
    // a folder that can't be written to has cost enough elsewhere
  }
}

function historyPath(env: Env): string {
  return join(clientFolder(stateFolder(env, process.platform, homedir())), "history.json");
}

function asLines(value: unknown): string[] {
  if (typeof value !== "object" || value === null || !("lines" in value) || !isStrings(value.lines)) {
    throw new Error("has no lines");
  }
  return value.lines;
}
