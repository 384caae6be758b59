/** `sock chat`: people at one server, and people with plain peers. */
import { describe, expect, test } from "bun:test";
import { type Child, codeAt, start } from "../helpers/child.ts";
import { Relay } from "../helpers/relay.ts";
import { events, resultOf, sock } from "../helpers/run.ts";
import { serve } from "../helpers/serve.ts";
import { HAS_TMUX, type Screen, screen } from "../helpers/tmux.ts";
import { until } from "../helpers/until.ts";

if (!HAS_TMUX) console.warn("terminal tests of chat are skipped: no tmux here");
const has = (program: string): boolean => Bun.which(program) !== null;

/** Somebody whose words go through pipes. */
async function person(server: { join: string }, name: string, ...more: string[]): Promise<Child> {
  return start(["chat", "--name", name, "--json", ...more], { env: { SOCK_JOIN: server.join }, pipe: true });
}

function said(child: Child): unknown[] {
  return whole(child)
    .filter(({ type }) => type === "said")
    .map(({ from, text }) => `${String(from)}: ${String(text)}`);
}

function whole(child: Child): Record<string, unknown>[] {
  const text = child.stdout();
  return events(text.slice(0, text.lastIndexOf("\n") + 1));
}

async function types(child: Child, text: string): Promise<void> {
  const { stdin } = child.process;
  if (stdin === undefined || typeof stdin === "number") throw new Error("no pipe");
  await stdin.write(text);
  await stdin.flush();
}

async function hangsUp(child: Child): Promise<void> {
  const { stdin } = child.process;
  if (stdin === undefined || typeof stdin === "number") throw new Error("no pipe");
  await stdin.end();
}

async function isIn(child: Child): Promise<Record<string, unknown>> {
  return until(() => whole(child).find(({ type }) => type === "room"), "the room");
}

describe("people at one server", () => {
  test("hear each other, both ways, and who comes and leaves", async () => {
    await using server = await serve();
    await using kai = await person(server, "kai");
    expect(await isIn(kai)).toMatchObject({ name: "kai", people: [] });
    await using eva = await person(server, "eva");
    const room = await isIn(eva);
    expect(room).toMatchObject({ name: "eva", people: [{ name: "kai" }] });
    await until(() => whole(kai).find(({ type, name }) => type === "came" && name === "eva"), "eva");
    await types(kai, "hello eva\n");
    await types(eva, "hello kai\nsecond\n");
    await until(() => said(eva).length === 1 && said(kai).length === 2, "all three lines");
    expect(said(eva)).toEqual(["kai: hello eva"]);
    expect(said(kai)).toEqual(["eva: hello kai", "eva: second"]);
    await hangsUp(eva);
    expect(await eva.ended()).toBe(0);
    expect(resultOf(eva.stdout())).toMatchObject({ sent: 2, received: 1, status: 0 });
    await until(() => whole(kai).find(({ type, name }) => type === "left" && name === "eva"), "her end");
    await hangsUp(kai);
    expect(await kai.ended()).toBe(0);
    await until(() => server.stdout().match(/"verb":"chat"/g)?.length === 2, "two lines of the log");
  });

  test("two of one name are told apart; a name that is none is refused", async () => {
    await using server = await serve();
    await using one = await person(server, "kai");
    await isIn(one);
    await using two = await person(server, "kai");
    expect(await isIn(two)).toMatchObject({ name: "kai-2", people: [{ name: "kai" }] });
    for (const name of ["a\x1b[2J", "a:b", " a", "", "\u202eiak"]) {
      const ran = await sock(["chat", "--name", name], { env: { SOCK_JOIN: server.join } });
      expect([name, ran.status]).toEqual([name, 2]);
      expect(ran.stderr).not.toContain("\x1b[2J");
    }
  });

  test("lines of a pipe arrive, all of them and in order, before it ends", async () => {
    await using server = await serve();
    await using kai = await person(server, "kai");
    await isIn(kai);
    const lines = Array.from({ length: 60 }, (_, at) => `line ${at} 你好`);
    const ran = await sock(["chat", "--name", "eva"], {
      env: { SOCK_JOIN: server.join },
      stdin: `${lines.join("\n")}\n`,
    });
    expect(ran.status).toBe(0);
    await until(() => said(kai).length === lines.length, "all lines");
    expect(said(kai)).toEqual(lines.map((line) => `eva: ${line}`));
  });

  test("a long line comes in pieces, none of its characters cut", async () => {
    await using server = await serve();
    await using kai = await person(server, "kai");
    await isIn(kai);
    const long = "😀".repeat(4_100);
    await sock(["chat", "--name", "eva"], { env: { SOCK_JOIN: server.join }, stdin: `x${long}` });
    await until(() => said(kai).length === 3, "three pieces");
    expect(
      said(kai)
        .map((text) => String(text).slice("eva: ".length))
        .join(""),
    ).toBe(`x${long}`);
  });

  test("GBK in a pipe is read as such", async () => {
    await using server = await serve();
    await using kai = await person(server, "kai");
    await isIn(kai);
    const gbk = Uint8Array.from([0xc4, 0xe3, 0xba, 0xc3, 0xca, 0xc0, 0xbd, 0xe7, 0x0a]);
    await sock(["chat", "--name", "eva", "--encoding", "gbk"], {
      env: { SOCK_JOIN: server.join },
      stdin: gbk,
    });
    await until(() => said(kai).length === 1, "the line");
    expect(said(kai)).toEqual(["eva: 你好世界"]);
  });

  test("without --json what others say is stdout, escaped; the rest is not", async () => {
    await using server = await serve();
    await using kai = await start(["chat", "--name", "kai"], { env: { SOCK_JOIN: server.join }, pipe: true });
    await until(() => kai.stderr().includes("as kai"), "the room");
    await sock(["chat", "--name", "eva"], { env: { SOCK_JOIN: server.join }, stdin: "a\x1b[31mb\u202ec\n" });
    await until(() => kai.stderr().includes("eva left") || kai.stderr().includes(") left"), "her end");
    expect(kai.stdout()).toBe("eva: a\\x1b[31mb\\u202ec\n");
    await hangsUp(kai);
    expect(await kai.ended()).toBe(0);
  });

  test("a line that breaks is made anew, and nothing is lost or said twice", async () => {
    await using server = await serve();
    await using relay = await Relay.start(server.port);
    await using kai = await person(server, "kai");
    await isIn(kai);
    await using eva = await person({ join: codeAt(server.join, relay.port) }, "eva");
    await isIn(eva);
    await types(eva, "one\n");
    await until(() => said(kai).length === 1, "the first line");
    relay.cutAll();
    await types(eva, "two\nthree\n");
    await until(() => said(kai).length === 3, "the others");
    expect(said(kai)).toEqual(["eva: one", "eva: two", "eva: three"]);
    await hangsUp(eva);
    expect(await eva.ended()).toBe(0);
    expect(relay.accepted).toBe(2);
  });

  test("a server that stops does not wait for those who talk; they are told", async () => {
    await using server = await serve();
    await using kai = await person(server, "kai", "--retry", "0s");
    await isIn(kai);
    const before = performance.now();
    expect(await server.stop()).toBe(0);
    expect(performance.now() - before).toBeLessThan(5_000);
    expect(await kai.ended()).toBe(6);
    expect(resultOf(kai.stdout())).toMatchObject({ code: "draining" });
  });

  test("who leaves while the server is gone need not wait for it, unless something was not heard", async () => {
    await using server = await serve();
    await using kai = await start(["chat", "--name", "kai"], { env: { SOCK_JOIN: server.join }, pipe: true });
    await until(() => kai.stderr().includes("as kai"), "the room");
    await using eva = await start(["chat", "--name", "eva", "--retry", "1s"], {
      env: { SOCK_JOIN: server.join },
      pipe: true,
    });
    await until(() => eva.stderr().includes("as eva"), "the room");
    await server.stop("SIGKILL");
    for (const one of [kai, eva]) await until(() => one.stderr().includes("trying again"), "the loss");
    await hangsUp(kai);
    expect(await kai.ended()).toBe(0);
    await types(eva, "heard by nobody\n");
    await hangsUp(eva);
    expect(await eva.ended()).toBe(6);
  });

  test("a key without the capability is refused: 4", async () => {
    await using server = await serve();
    const invited = await sock(
      ["invite", "--direct", "--allow", "echo", "--host", `127.0.0.1:${server.port}`],
      {
        home: server.home,
      },
    );
    const ran = await sock(["chat"], { env: { SOCK_JOIN: invited.stdout.trim() } });
    expect([ran.stdout, ran.status]).toEqual(["", 4]);
    expect(ran.stderr).toContain("does not allow chat");
  });

  test("nine of one key are one too many", async () => {
    await using server = await serve();
    await using stack = new AsyncDisposableStack();
    for (let at = 0; at < 8; at++) await isIn(stack.use(await person(server, `kai${at}`)));
    const ran = await sock(["chat", "--retry", "0s"], { env: { SOCK_JOIN: server.join } });
    expect([ran.status, ran.stderr.includes("too many people")]).toEqual([6, true]);
  });
});

/** Two people at terminals. */
async function atTerminal(env: Record<string, string>, words: string, ready: string): Promise<Screen> {
  const here = await screen({ NO_COLOR: "1", ...env });
  await here.enter(`$SOCK_BIN chat ${words}; echo "ended with $?"`);
  await here.shows(ready);
  return here;
}

describe.skipIf(!HAS_TMUX)("at a terminal", () => {
  test("two people; what comes leaves the line alone that is typed", async () => {
    await using server = await serve();
    const env = { SOCK_JOIN: server.join };
    await using kai = await atTerminal(env, "--name kai", "kai>");
    await using eva = await atTerminal(env, "--name eva", "eva>");
    await kai.shows("nobody else is here; Ctrl-D leaves");
    await eva.shows(/; kai .* is here; Ctrl-D leaves/);
    await kai.shows(/\* eva \(.*\) came/);
    const guest = await sock(["chat", "--name", "bob"], { env, stdin: "x\n" });
    expect(guest.stderr).toMatch(/; \w+ \(.*\), \w+ \(.*\) are here\n/);
    await kai.type("half a li");
    await kai.shows("kai> half a li");
    await eva.enter("hello kai");
    await kai.shows(/eva: hello kai\n(.*\n)*kai> half a li/);
    await kai.key("Left", "Left");
    await eva.enter("again");
    await kai.shows("eva: again");
    await kai.type("X");
    await kai.key("Enter");
    await eva.shows("kai: half a Xli");
    await kai.key("C-z");
    await kai.shows("Stopped");
    await kai.enter("clear; fg");
    await kai.shows("kai>");
    await kai.enter("back");
    await eva.shows("kai: back");
    await kai.key("C-d");
    await eva.shows("* kai left");
    await eva.key("C-c");
    await eva.shows("ended with 130");
    await eva.enter("clear; stty -a | tr ';' '\\n'");
    expect(await eva.shows(/isig/)).toMatch(/(^|\s)icanon(\s|$)/m);
  });

  test("a line that is longer than the terminal is wide comes back whole", async () => {
    await using server = await serve();
    const env = { SOCK_JOIN: server.join };
    await using kai = await atTerminal(env, "--name kai", "kai>");
    await using eva = await atTerminal(env, "--name eva", "eva>");
    const long = Array.from({ length: 30 }, (_, at) => `word${at}`).join(" ");
    await kai.type(long);
    await kai.shows("word29");
    await eva.enter("in between");
    await until(async () => {
      const text = (await kai.text()).replaceAll("\n", "");
      return text.includes("eva: in between") && text.includes(`kai> ${long}`);
    }, "both, whole");
    const shown = await kai.text();
    expect(shown.match(/word0 /g)?.length).toBe(1);
    await kai.key("Enter");
    await until(async () => (await eva.text()).replaceAll("\n", "").includes(`kai: ${long}`), "it there");
  });
});

describe("a plain peer", () => {
  /** Waits at a free port. */
  async function waiting(...more: string[]): Promise<{ child: Child; port: number }> {
    const child = await start(["chat", "--listen", "tcp://127.0.0.1:0", "--json", ...more], { pipe: true });
    const port = await until(
      () => whole(child).find(({ type }) => type === "listening")?.["port"],
      "its port",
    );
    return { child, port: Number(port) };
  }

  test("is another sock: both ways, q leaves, the next one comes", async () => {
    const { child, port } = await waiting();
    await using one = child;
    await using two = await start(["chat", `tcp://127.0.0.1:${port}`, "--json"], { pipe: true });
    await until(() => whole(one).some(({ type }) => type === "came"), "its peer");
    await types(one, "hello\n");
    await until(() => said(two).length === 1, "the words");
    await types(two, "你好\n");
    await until(() => said(one).length === 1, "the answer");
    expect([said(one)[0], said(two)[0]].map((text) => String(text).replace(/^\S+ /, ""))).toEqual([
      "你好",
      "hello",
    ]);
    await using third = await start(["chat", `tcp://127.0.0.1:${port}`, "--json"], { pipe: true });
    expect(await third.ended()).toBe(0);
    expect(said(third).join()).toContain("somebody talks here already");
    await types(two, "q\n");
    expect(await two.ended()).toBe(0);
    await until(() => whole(one).some(({ type }) => type === "left"), "its leaving");
    await using next = await start(["chat", `tcp://127.0.0.1:${port}`, "--json"], { pipe: true });
    await until(() => whole(one).filter(({ type }) => type === "came").length === 2, "the next");
    await hangsUp(one);
    expect(await one.ended()).toBe(0);
    expect(await next.ended()).toBe(0);
  });

  test.skipIf(!has("nc"))("nc in GBK is read, and hears GBK where that is stated", async () => {
    const { child, port } = await waiting("--encoding", "gbk");
    await using one = child;
    const nc = Bun.spawn(["nc", "127.0.0.1", String(port)], { stdin: "pipe", stdout: "pipe" });
    await nc.stdin.write(Uint8Array.from([0xc4, 0xe3, 0xba, 0xc3, 0x0a]));
    await nc.stdin.flush();
    await until(() => said(one).length === 1, "the words");
    expect(String(said(one)[0])).toEndWith(": 你好\n");
    await types(one, "世界\n");
    const reader = nc.stdout.getReader();
    expect((await reader.read()).value).toEqual(Uint8Array.from([0xca, 0xc0, 0xbd, 0xe7]));
    nc.kill();
    await nc.exited;
    await until(() => whole(one).some(({ type }) => type === "left"), "its end");
  });

  test.skipIf(!has("nc"))("what nc says moves no cursor, and decides nothing", async () => {
    await using one = await start(["chat", "--listen", "unix:peer.sock"], { pipe: true });
    await until(() => one.stderr().includes("waiting at unix:peer.sock"), "its socket");
    const cwd = (await Bun.file(`/proc/${one.process.pid}/environ`).text()).match(/HOME=([^\0]+)/)?.[1] ?? "";
    const nc = Bun.spawn(["nc", "-N", "-U", `${cwd}/peer.sock`], {
      stdin: Buffer.from("a\x1b]0;x\x07b\nroot: c"),
      stdout: "ignore",
    });
    await nc.exited;
    await until(() => one.stderr().includes("left"), "its end");
    const [first, second] = one.stdout().split("\n");
    expect(first).toMatch(/^unix#1: a\\x1b\]0;x\\x07b$/);
    expect(second).toMatch(/^unix#1: root: c$/);
    await hangsUp(one);
    expect(await one.ended()).toBe(0);
  });

  test("nobody there: 6; what is no chat, no address, or both: 2", async () => {
    expect((await sock(["chat", "tcp://127.0.0.1:1"])).status).toBe(6);
    for (const words of [
      ["tcp://127.0.0.1"],
      ["udp://127.0.0.1:9"],
      ["tcp://127.0.0.1:9", "--dialect", "echo"],
      ["--listen", "web1"],
      ["tcp://127.0.0.1:9", "--listen", "tcp://127.0.0.1:9"],
    ]) {
      expect([words, (await sock(["chat", ...words])).status]).toEqual([words, 2]);
    }
  });
});
