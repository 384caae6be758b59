/**
 * `--compress auto` against `never`: source text through a line of 20 Mbit/s, as one file and as a tree, and random bytes
 * over loopback, by turns in one run.
 */
import { cpSync, mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { Relay } from "../../test/helpers/relay.ts";
import { machine, median, run, scratch, SOCK, sockServer, timed } from "./lib/peers.ts";

/** Bytes a second of 20 Mbit/s. */
const RATE = 2_500_000;
const RUNS = Number(process.argv[2] ?? 3);
const LOCAL_RUNS = 7;
const RANDOM_MIB = 1024;
const ROOT = resolve(import.meta.dir, "../..");

using folder = scratch();
const tree = join(folder.path, "tree");
for (const name of [
  "src",
  "test",
  "scripts",
  "node_modules/bun-types",
  "node_modules/citty",
  "node_modules/fast-check",
]) {
  const from = join(ROOT, name);
  if (readdirSync(join(from, "..")).includes(name.split("/").at(-1) ?? "")) {
    mkdirSync(join(tree, name, ".."), { recursive: true });
    cpSync(from, join(tree, name), { recursive: true });
  }
}
const text = join(folder.path, "text.tar");
timed(["tar", "cf", text, "-C", folder.path, "tree"]);
const random = join(folder.path, "random");
timed(["sh", "-c", `head -c ${RANDOM_MIB}M /dev/urandom > '${random}'`]);
using sock = await sockServer(folder.path);
const env = { SOCK_HOME: sock.home };
await using relay = await Relay.start(sock.port);
relay.faults.up.rate = RATE;
const code = await run(
  [SOCK, "invite", "--direct", "--host", `127.0.0.1:${relay.port}`, "--name", "bench"],
  env,
);
const client = { SOCK_JOIN: code.trim(), SOCK_HOME: join(folder.path, "none") };

console.log(machine([]));
console.log(
  `source text, ${(statSync(text).size / 1e6).toFixed(1)} MB as tar, 20 Mbit/s, medians of ${RUNS}`,
);
for (const what of [text, tree]) {
  const figures: Record<string, number[]> = { auto: [], never: [] };
  for (let at = 0; at < RUNS; at++) {
    for (const mode of ["auto", "never"]) {
      const started = performance.now();
      await run([SOCK, "put", what, ":copy", "-q", "--compress", mode], client);
      figures[mode]?.push((performance.now() - started) / 1000);
      rmSync(join(folder.path, "served", "copy"), { recursive: true });
    }
  }
  const [auto, never] = [median(figures["auto"] ?? []), median(figures["never"] ?? [])];
  const name = what === text ? "one file" : "a tree";
  console.log(
    `${name}: auto ${auto.toFixed(2)} s, never ${never.toFixed(2)} s, ${(never / auto).toFixed(2)} x faster`,
  );
}
const local: Record<string, number[]> = { auto: [], never: [] };
for (let at = 0; at < LOCAL_RUNS; at++) {
  for (const mode of at % 2 === 0 ? ["auto", "never"] : ["never", "auto"]) {
    local[mode]?.push(
      timed([SOCK, "put", random, "local:copy", "-q", "--digest", "xxh3", "--compress", mode], env),
    );
    rmSync(join(folder.path, "served", "copy"));
  }
}
const [auto, never] = [median(local["auto"] ?? []), median(local["never"] ?? [])];
console.log(
  `random, ${RANDOM_MIB} MiB over loopback, medians of ${LOCAL_RUNS}: auto ${auto.toFixed(2)} s, never ${never.toFixed(2)} s`,
);
console.log(`auto / never: ${(auto / never).toFixed(3)}`);
