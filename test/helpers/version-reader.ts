/**
 * Run by tests as a process of its own: reads FOLDER/a and FOLDER/sub/c again and again until STOP exists, and prints what it
 * saw. Both hold the number of their version.
 */
import * as fs from "node:fs";

const [folder = "", stop = ""] = process.argv.slice(2);
const { O_RDONLY, O_DIRECTORY } = fs.constants;
/** `gone`: the old version was removed while it was read; `missing`: the name itself, or a file in it by its whole path. */
const seen = { rounds: 0, missing: 0, mixed: 0, gone: 0, versions: 0 };
let last = "";
console.log("reading");

function read(path: string): string | undefined {
  try {
    return fs.readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

while (!fs.existsSync(stop)) {
  let fd: number;
  try {
    fd = fs.openSync(folder, O_RDONLY | O_DIRECTORY);
  } catch {
    seen.missing += 1;
    continue;
  }
  const [a, c] = ["a", "sub/c"].map((name) => read(`/proc/self/fd/${fd}/${name}`));
  fs.closeSync(fd);
  seen.rounds += 1;
  if (a === undefined || c === undefined) seen.gone += 1;
  else if (a !== c) seen.mixed += 1;
  else if (a !== last) {
    seen.versions += 1;
    last = a;
  }
  if (!fs.existsSync(`${folder}/sub`) && !fs.existsSync(`${folder}/sub`)) seen.missing += 1;
}
console.log(JSON.stringify(seen));
