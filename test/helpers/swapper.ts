/** Run by tests as a process of its own: until it is killed, DIR is by turns a folder and a symlink to TARGET, and never missing. */
import { renameSync, symlinkSync } from "node:fs";
import { exchange } from "../../src/os/native.ts";

const [dir = "", target = ""] = process.argv.slice(2);
const aside = `${dir}.aside`;
symlinkSync(target, aside);
for (let turns = 0; ; turns++) {
  if (!exchange(dir, aside)) {
    // no such call here: then it is missing for a moment
    renameSync(dir, `${dir}.third`);
    renameSync(aside, dir);
    renameSync(`${dir}.third`, aside);
  }
  // long enough for a look in between, in some turns
  for (let n = 0; n < (turns * 37) % 4000; n++) Math.sqrt(n);
  if (turns === 0) console.log("swapping");
}
