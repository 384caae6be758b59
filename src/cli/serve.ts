import { rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { SockError, STATUS } from "../errors.ts";
import { parseImpairment, randomSeed } from "../measure/impairment.ts";
import { DEFAULT_ALLOW } from "../server/invite.ts";
import type { ServerEvent } from "../server/events.ts";
import { type Started, startServer } from "../server/start.ts";
import { escapeForDisplay } from "../text/escape.ts";
import { formatBytes, formatDuration, formatRate } from "../text/units.ts";
import { VERSION } from "../version.ts";
import { Audit } from "./audit.ts";
import { type Args, type Context, defineVerb } from "./verb.ts";

/** Keys that the first screen names; more are counted. */
const KEYS_SHOWN = 5;

const args = {
  folders: {
    type: "positional",
    required: false,
    variadic: true,
    description: "DIR or NAME=DIR, with :ro read only; left out: this folder",
  },
  listen: {
    type: "string",
    repeat: true,
    valueHint: "HOST:PORT",
    description: "where to listen, or unix:PATH (0.0.0.0:7625 and [::]:7625)",
  },
  host: {
    type: "string",
    repeat: true,
    valueHint: "NAME[:PORT]",
    description: "what others call this machine; goes into join codes",
  },
  "read-only": { type: "boolean", description: "nobody puts anything" },
  "write-only": { type: "boolean", description: "nobody gets or lists anything" },
  replace: {
    type: "boolean",
    default: true,
    negativeDescription: "what is there stays as it is: only new names are taken",
  },
  "max-file": {
    type: "string",
    kind: "bytes",
    valueHint: "BYTES",
    description: "longest file that is taken",
  },
  "min-free": {
    type: "string",
    kind: "bytes",
    valueHint: "BYTES",
    description: "space that stays free on the disk",
  },
  "max-entries": { type: "string", kind: "count", valueHint: "N", description: "most files of one put" },
  rate: {
    type: "string",
    kind: "bytes",
    valueHint: "BYTES",
    description: "each client's files, bytes a second",
  },
  shell: { type: "boolean", description: "run programs for those whose keys allow it, as this user" },
  "allow-root": { type: "boolean", description: "with --shell: even as root" },
  linger: {
    type: "string",
    kind: "duration",
    valueHint: "DUR",
    description: "a terminal waits this long for its client (5m)",
  },
  "login-shell": { type: "string", valueHint: "PATH", description: "what runs in a terminal" },
  audit: { type: "string", valueHint: "FILE", description: "add a line of JSON for each request to it" },
  impair: {
    type: "string",
    valueHint: "SPEC",
    description: "make echoes and datagrams worse: sock help impair",
  },
  seed: {
    type: "string",
    kind: "count",
    valueHint: "N",
    description: "the same seed gives the same --impair",
  },
  "join-file": {
    type: "string",
    valueHint: "FILE",
    description: "write a join code there, readable for you only",
  },
} as const;

export default defineVerb({
  meta: {
    name: "serve",
    summary: "open one port, and print the line that lets others in",
    usage: "serve [DIR or NAME=DIR[:ro]]...",
    groups: [
      ["where it is reached", ["listen", "host", "join-file"]],
      [
        "what others may do",
        ["read-only", "write-only", "replace", "max-file", "min-free", "max-entries", "rate"],
      ],
      ["commands and terminals", ["shell", "allow-root", "linger", "login-shell"]],
      ["for its owner", ["audit", "impair", "seed"]],
    ],
    examples: [
      { line: "sock serve ./drop", does: "serves one folder" },
      { line: "sock serve drop=./drop logs=/var/log:ro", does: "two folders, web1:drop/… and web1:logs/…" },
      {
        line: "sock serve --listen 127.0.0.1:0 --json",
        does: "a free port; the code is in the last listening event",
      },
    ],
    more: ["In a container: SOCK_SERVE, made by sock invite --pair, is all the state that it needs."],
  },
  args,
  async run(context, given) {
    if (given.shell && !given["allow-root"] && process.geteuid?.() === 0) {
      throw new SockError(
        "policy",
        "as root every key that allows shell would be root here",
        "run it as a user of its own, or add --allow-root",
      );
    }
    if (given.seed !== undefined && given.impair === undefined) {
      throw new SockError("usage", "--seed is for --impair", "--impair 'drop=1% delay=20ms'");
    }
    const impair =
      given.impair === undefined
        ? undefined
        : { how: parseImpairment(given.impair, "session"), seed: given.seed ?? randomSeed() };
    const audit =
      given.audit === undefined
        ? undefined
        : new Audit(given.audit, (error) => context.ui.warn(error.message));
    const show = (event: ServerEvent): void => {
      audit?.add(event);
      log(context, event);
    };
    const started = await startServer({
      folders: given.folders,
      listen: given.listen,
      hosts: given.host,
      env: context.env,
      report: show,
      lingerMs: given.linger,
      loginShell: given["login-shell"],
      impair,
      rails: {
        readOnly: given["read-only"],
        writeOnly: given["write-only"],
        noReplace: !given.replace,
        maxFile: given["max-file"],
        minFree: given["min-free"],
        maxEntries: given["max-entries"],
        rate: given.rate,
        shell: given.shell,
      },
    });
    try {
      announceCode(context, given, started);
      if (impair !== undefined) announceImpairment(context, given.impair ?? "", impair.seed);
      await stopped(context.signal);
      context.ui.info("stopping: waiting for what is under way");
      const cut = await started.server.drain();
      context.json.result({ sessions_cut: cut });
      return cut === 0 ? STATUS.done : STATUS.terminated;
    } finally {
      started.server.stop();
      started.close();
      await audit?.close();
    }
  },
});

/** Shows where and how. */
function announceCode(context: Context, given: Args<typeof args>, started: Started): void {
  const { ui, json } = context;
  let line: string | undefined;
  const file = given["join-file"];
  if (started.state === undefined) {
    if (file !== undefined)
      throw new SockError("usage", "with SOCK_SERVE there is no other code", "its half is SOCK_JOIN");
  } else if (json.enabled) {
    const forRun = { direct: true, forRun: true, name: "serve-json", ttlMs: null };
    line = started.invite({ ...forRun, allow: allowed(given), cidr: [] }).code;
  } else if (file === undefined && ui.terminal && !context.quiet) {
    line = started.invite({ direct: false, allow: allowed(given), cidr: [] }).code;
  }
  if (file !== undefined) {
    const { code } = started.invite({ direct: false, allow: allowed(given), cidr: [] });
    rmSync(file, { force: true });
    writeFileSync(file, `${code}\n`, { mode: 0o600, flag: "wx" });
  }
  const { addresses } = started.server;
  for (const [index, address] of addresses.entries()) {
    const last = index === addresses.length - 1 && line !== undefined ? { join: line } : {};
    const where =
      address.kind === "tcp"
        ? { address: address.host, port: address.port }
        : { address: `unix:${address.path}`, port: 0 };
    json.emit({ type: "listening", ...where, ...last });
  }
  if (!json.enabled) {
    for (const row of screen(started, given)) ui.report(row);
    if (line !== undefined) {
      ui.report("On the other machine, once, within 1 hour:");
      ui.report(`  sock join ${line}`);
    } else if (started.state !== undefined && file === undefined) {
      ui.report("For a join code: sock invite");
    }
  }
  for (const folder of started.folders) {
    if (folder.risky && folder.writable) {
      ui.warn(
        `${escapeForDisplay(folder.dir)} is a home or the whole machine: put there is as good as a shell`,
      );
    }
  }
}

/** Nobody should look for the fault elsewhere. */
function announceImpairment({ ui, json }: Context, spec: string, seed: number): void {
  json.emit({ type: "impaired", spec, seed });
  ui.warn(
    `echoes and datagrams are made worse on purpose, and nothing else: ${escapeForDisplay(spec)} --seed ${seed}`,
  );
}

function allowed({ shell }: Args<typeof args>): string[] {
  return [...DEFAULT_ALLOW, ...(shell ? ["exec", "shell"] : [])];
}

function screen(started: Started, given: Args<typeof args>): string[] {
  const wide = Math.max(...started.folders.map((folder) => folder.name.length));
  const dirs = Math.max(...started.folders.map((folder) => folder.dir.length));
  const rows = [`sock ${VERSION} on ${escapeForDisplay(hostname())}`];
  for (const [index, folder] of started.folders.entries()) {
    const both = given["write-only"] ? "write only" : "read and write";
    const access = folder.writable ? `${both}, ${formatBytes(folder.free)} free` : "read only";
    const name = escapeForDisplay(folder.name.padEnd(wide));
    const dir = escapeForDisplay(folder.dir.padEnd(dirs));
    rows.push(`  ${index === 0 ? "serves    " : "          "}  ${name}  ${dir}  ${access}`);
  }
  rows.push(
    `  listens     ${started.listening.join(" and ")}${started.listening.some((one) => !one.startsWith("unix:")) ? " (open both tcp and udp)" : ""}`,
  );
  const reached = started.reachedAt.join(", ");
  rows.push(
    `  reached at  ${reached}${started.private ? "    private; public name: sock serve --host NAME" : ""}`,
  );
  rows.push(`  allows      ${started.answers.join(" ")}`);
  const limits = limitsOf(given);
  if (limits !== "") rows.push(`  limits      ${limits}`);
  rows.push(`  knows       ${known(started)}`);
  return rows;
}

/** What the flags refuse to every key, but for what can be read from the lines above. */
function limitsOf(given: Args<typeof args>): string {
  const { rate, "max-file": maxFile, "min-free": minFree, "max-entries": maxEntries } = given;
  return [
    given.replace ? [] : "nothing is replaced",
    maxFile === undefined ? [] : `files up to ${formatBytes(maxFile)}`,
    minFree === undefined ? [] : `${formatBytes(minFree)} stay free`,
    maxEntries === undefined ? [] : `up to ${maxEntries} files, links and folders a put`,
    rate === undefined ? [] : `${formatRate(rate)} a key`,
  ]
    .flat()
    .join(", ");
}

function known(started: Started): string {
  const names = started.grants
    .list()
    .filter(({ grant, state }) => state === "valid" && (grant.kind === "key" || grant.kind === "direct"))
    .map(({ grant }) => grant.name);
  if (names.length === 0) return "no keys yet";
  const more = names.length > KEYS_SHOWN ? `, and ${names.length - KEYS_SHOWN} more` : "";
  const from = started.state === undefined ? "SOCK_SERVE" : "sock clients";
  return `${names.length} key${names.length === 1 ? "" : "s"}: ${names.slice(0, KEYS_SHOWN).join(", ")}${more}  (${from})`;
}

function stopped(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** One line an event; what a peer chose is escaped. */
function log(context: Context, event: ServerEvent): void {
  context.json.emit({ time: new Date().toISOString(), ...event });
  if (context.json.enabled) return;
  const time = new Date().toTimeString().slice(0, 8);
  switch (event.type) {
    case "request": {
      const what = escapeForDisplay(event.what);
      const size = formatBytes(event.bytes);
      context.ui.report(
        `${time}  ${event.verb}  ${escapeForDisplay(event.who)}  ${what}  ${size}  ${formatDuration(event.ms)}  ${event.outcome}`,
      );
      return;
    }
    case "joined":
      context.ui.report(
        `${time}  join  ${escapeForDisplay(event.who)}  from ${event.address}  ${event.allows.join(" ")}`,
      );
      return;
    case "refused": {
      const hint = event.hint === undefined ? "" : `  (${escapeForDisplay(event.hint)})`;
      context.ui.report(`${time}  refused  ${event.address}  ${escapeForDisplay(event.what)}${hint}`);
      return;
    }
    case "warning":
      context.ui.warn(escapeForDisplay(event.what));
      return;
    default:
      event satisfies never;
  }
}
