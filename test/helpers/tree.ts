/** What a folder holds, for a comparison before and after; links are not followed, names may be any bytes. */
import { createHash } from "node:crypto";
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";

const SLASH = Buffer.from("/");

/** Each path below the folder with its contents (a digest), target or kind; folders of partial files only if not empty. */
export function treeOf(folder: string): Record<string, string> {
  const found: Record<string, string> = {};
  const walk = (path: Buffer): void => {
    for (const name of readdirSync(path, { encoding: "buffer" })) {
      const below = Buffer.concat([path, SLASH, Buffer.from(name)]);
      const stat = lstatSync(below);
      const shown = below.subarray(Buffer.byteLength(folder) + 1).toString("latin1");
      if (stat.isFile()) found[shown] = createHash("sha256").update(readFileSync(below)).digest("hex");
      else if (stat.isSymbolicLink()) found[shown] = `-> ${readlinkSync(below)}`;
      else if (!stat.isDirectory()) found[shown] = "other";
      else if (!shown.endsWith(".sock-partial")) found[shown] = "folder";
      if (stat.isDirectory()) walk(below);
    }
  };
  walk(Buffer.from(folder));
  return found;
}
