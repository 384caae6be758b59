/** The last output of a terminal, and what has to come after it: its status, or why there is none. */
import { closeSync, existsSync, openSync, readdirSync, readlinkSync, writeFileSync } from "node:fs";
import { expect, test } from "bun:test";
import { flow } from "../../src/os/native.ts";
import { type Child, codeAt, start } from "../helpers/child.ts";
import { Relay } from "../helpers/relay.ts";
import { sock } from "../helpers/run.ts";
import { type Peer, scriptedClient } from "../helpers/scripted.ts";
import type { Serving } from "../helpers/serve.ts";
import { shellServer } from "../helpers/shell.ts";
import { until } from "../helpers/until.ts";

const SIZE = { cols: 80, rows: 24 };

async function terminalServer(): Promise<Serving> {
  const server = await shellServer({ args: ["--login-shell", "/bin/bash"] });
  writeFileSync(`${server.home}/.bash_profile`, "PS1='there> '; unset HISTFILE; stty -echo\n");
  return server;
}

async function opened(join: string): Promise<Child> {
  const child = await start(["shell"], { terminal: true, env: { SOCK_JOIN: join } });
  await until(() => child.stdout().includes("there>"), "the prompt");
  return child;
}

function stall(relay: Relay, stalled: boolean): void {
  relay.faults.up.stalled = stalled;
  relay.faults.down.stalled = stalled;
}

/** All of `seq`, and the word behind it. */
function expectWhole(child: Child, last: number): void {
  const seen = withoutNotices(child.stdout());
  const numbers = [...seen.matchAll(/^(\d+)\r+$/gm)].map(([, number]) => Number(number));
  const isWhole = numbers.length === last && numbers.every((number, index) => number === index + 1);
  expect([numbers.length, numbers.at(-1), isWhole]).toEqual([last, last, true]);
  expect(seen).toMatch(/^whole\r+$/m);
}

/** Each is between a saved cursor and its return, and may be in the middle of a line. */
function withoutNotices(text: string): string {
  const [first = "", ...others] = text.split("\x1b7");
  return first + others.map((part) => part.slice(part.indexOf("\x1b8") + 2)).join("");
}

test("the link breaks when the program has ended and its output is on its way: all of it comes, and its status", async () => {
  await using server = await terminalServer();
  await using relay = await Relay.start(server.port);
  await using child = await opened(codeAt(server.join, relay.port));
  relay.faults.down.stalled = true;
  const done = `${server.home}/done`;
  child.type(`exec sh -c 'seq 20000; echo whole; touch ${done}; exit 7'\n`);
  await until(() => existsSync(done), "the program's end");
  relay.cutAll("reset");
  relay.faults.down.stalled = false;
  expect(await child.ended()).toBe(7);
  expectWhole(child, 20_000);
});

test("the program ends while there is no link: all of its output comes when there is one, and its status", async () => {
  await using server = await terminalServer();
  await using relay = await Relay.start(server.port);
  await using child = await opened(codeAt(server.join, relay.port));
  const [go, done] = [`${server.home}/go`, `${server.home}/done`];
  const line = `until test -e ${go}; do sleep 0.02; done; seq 20000; echo whole; touch ${done}; exit 7`;
  child.type(`exec sh -c 'echo ready; ${line}'\n`);
  await until(() => /^ready\r+$/m.test(child.stdout()), "the program");
  stall(relay, true);
  relay.cutAll("reset");
  await until(() => server.stdout().includes('"outcome":"lost"'), "the break there");
  writeFileSync(go, "");
  await until(() => existsSync(done), "the program's end");
  stall(relay, false);
  expect(await child.ended()).toBe(7);
  expectWhole(child, 20_000);
});

test("the server is told to stop, and its client's line is slow: all output comes before the reason", async () => {
  await using server = await terminalServer();
  await using relay = await Relay.start(server.port);
  await using child = await opened(codeAt(server.join, relay.port));
  const done = `${server.home}/done`;
  // some four seconds
  relay.faults.down.rate = 60_000;
  child.type(`seq 30000; echo whole; touch ${done}\n`);
  await until(() => existsSync(done), "the command's end");
  server.process.kill("SIGTERM");
  expect(await child.ended()).toBe(255);
  expectWhole(child, 30_000);
  expect(child.stdout()).toContain("the server was stopped");
});

test("the terminal here stands still when the key is revoked: what has arrived is shown", async () => {
  await using server = await terminalServer();
  await using relay = await Relay.start(server.port);
  const invited = ["invite", "--direct", "--name", "ci", "--allow", "shell"];
  const join = (await sock(invited, { home: server.home })).stdout.trim();
  await using child = await opened(codeAt(join, relay.port));
  const slave = openSync(linkOf(`/proc/${child.process.pid}/fd/0`), "r+");
  flow(slave, true);
  const done = `${server.home}/done`;
  child.type(`seq 20000; echo whole; touch ${done}\n`);
  // the digits, and two bytes at the end of each line
  await until(() => existsSync(done) && relay.bytes.down > 88_894 + 20_000 * 2, "its arrival");
  await sock(["revoke", "ci"], { home: server.home });
  await until(() => relay.open === 0, "the end of the connection");
  flow(slave, false);
  closeSync(slave);
  expect(await child.ended()).toBe(255);
  expectWhole(child, 20_000);
});

test("the terminal here stands still when the shell has ended: what it has used then is told to nobody", async () => {
  await using server = await terminalServer();
  await using child = await opened(server.join);
  const slave = openSync(linkOf(`/proc/${child.process.pid}/fd/0`), "r+");
  flow(slave, true);
  child.type("exec sh -c 'seq 20000; echo whole; exit 7'\n");
  await until(() => server.stdout().includes('"outcome":"status 7"'), "the end there");
  flow(slave, false);
  closeSync(slave);
  expect(await child.ended()).toBe(7);
  expectWhole(child, 20_000);
  expect(await server.stop()).toBe(0);
  expect(server.stdout()).not.toContain('"refused"');
});

test("keys that come after the program's end go nowhere: not to whom its descriptor belongs by then", async () => {
  await using server = await terminalServer();
  using peer = await scriptedClient(server.join);
  peer.send({ type: "terminal", name: null, cwd: null, env: { TERM: "xterm" }, ...SIZE });
  await peer.until("attached");
  await until(() => openTerminals(server) > 0);
  // what holds the terminal open keeps its end waiting for a moment
  const line = new TextEncoder().encode("sleep 5 & exec sh -c 'exit 7'\n");
  peer.send({ type: "bytes", at: 0, size: line.length }, line);
  await until(() => openTerminals(server) === 0, "the program's end");
  const late = new TextEncoder().encode("secret");
  peer.send({ type: "bytes", at: line.length, size: late.length }, late);
  expect((await peer.until("over")).at(-1)).toMatchObject({ type: "over", status: 7 });
  peer.send({ type: "finish" });
  // as many as there were descriptors, and more
  const others: Peer[] = [];
  try {
    for (let count = 0; count < 12; count++) others.push(await scriptedClient(server.join));
    await Bun.sleep(100); // a terminal that takes nothing would be tried again
    for (const other of others) {
      other.send({ type: "echo", seq: 1, size: 1 }, new Uint8Array(1));
      expect(await other.next()).toMatchObject({ type: "echo" });
    }
  } finally {
    for (const other of others) other[Symbol.dispose]();
  }
});

/** Programs' sides of terminals that the server has open. */
function openTerminals(server: Serving): number {
  const folder = `/proc/${server.process.pid}/fd`;
  return readdirSync(folder).filter((name) => linkOf(`${folder}/${name}`).startsWith("/dev/pts/")).length;
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return ""; // closed meanwhile
  }
}
