// What every npm script starts with. Runs under node: from a fresh clone there is no bun yet.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = resolve(fileURLToPath(new URL(".", import.meta.url)), "..");
export const BUN = join(ROOT, "node_modules", "bun", "bin", "bun.exe"); // so named on every system
export const OXLINT = join(ROOT, "node_modules", "oxlint", "bin", "oxlint");

/** `npm ci` where node_modules is missing, unusable or not what the lock file says; true if it had to run. */
export function ensureInstalled() {
  if (isInstalled()) return false;
  const npm = process.env.npm_execpath;
  const [command, args] = npm?.endsWith(".js") ? [process.execPath, [npm]] : ["npm", []];
  const run = spawnSync(command, [...args, "ci", "--no-audit", "--no-fund"], {
    cwd: ROOT,
    stdio: ["ignore", "ignore", "pipe"],
    encoding: "utf8",
    shell: process.platform === "win32" && command === "npm",
  });
  if (run.status === 0 && bunWorks()) return true;
  process.stderr.write(run.stderr ?? String(run.error));
  // an install-script policy that skips bun's leaves a stand-in without the program
  if (
    run.status === 0 &&
    spawnSync(process.execPath, [join(ROOT, "node_modules/bun/install.js")]).status === 0
  ) {
    if (bunWorks()) return true;
  }
  throw new Error("npm ci failed");
}

function isInstalled() {
  try {
    const wanted = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")).packages;
    const present = JSON.parse(
      readFileSync(join(ROOT, "node_modules", ".package-lock.json"), "utf8"),
    ).packages;
    const stale = Object.entries(wanted).some(([path, { version, optional }]) => {
      if (path === "") return false;
      return present[path] === undefined ? optional !== true : present[path].version !== version;
    });
    return !stale && bunWorks();
  } catch {
    return false;
  }
}

function bunWorks() {
  return existsSync(BUN) && spawnSync(BUN, ["--version"]).status === 0;
}

/** The environment of every child: no SOCK_* of the user's shell, node_modules/.bin first. */
export function cleanEnvironment() {
  const entries = Object.entries(process.env).filter(([name]) => !name.startsWith("SOCK_"));
  return {
    ...Object.fromEntries(entries),
    PATH: `${join(ROOT, "node_modules", ".bin")}${delimiter}${process.env.PATH ?? ""}`,
  };
}

/** Runs a program; its whole output comes back, or goes to ours with `inherit`. */
export function run(command, args, { inherit = false } = {}) {
  return new Promise((done) => {
    const child = spawn(command, args, {
      cwd: ROOT,
      env: cleanEnvironment(),
      stdio: inherit ? "inherit" : ["ignore", "pipe", "pipe"],
    });
    let output = "";
    const collect = (chunk) => (output += chunk);
    child.stdout?.setEncoding("utf8").on("data", collect);
    child.stderr?.setEncoding("utf8").on("data", collect);
    child.on("error", (error) => done({ status: 1, output: `${output}${error.message}\n` }));
    child.on("close", (status) => done({ status: status ?? 1, output }));
  });
}
