import { writeFileSync } from "node:fs";
import { afterAll, describe, expect, test } from "bun:test";
import { codeAt } from "../helpers/child.ts";
import { Relay } from "../helpers/relay.ts";
import { events, resultOf, sock } from "../helpers/run.ts";
import type { Serving } from "../helpers/serve.ts";
import { clientOf, processesWith, shell, shellServer, sleepWord } from "../helpers/shell.ts";
import { temporaryFolder } from "../helpers/temp.ts";
import { HAS_TMUX, type Screen, screen } from "../helpers/tmux.ts";
import { until } from "../helpers/until.ts";

if (!HAS_TMUX) console.warn("tests of surviving terminals are skipped: no tmux here");

const folder = await temporaryFolder();
afterAll(async () => folder[Symbol.asyncDispose]());

/** What the shell here says at the end; the line that was typed has no number. */
const ENDED = /ended with \d/;

async function terminalServer(...args: string[]): Promise<Serving> {
  const server = await shellServer({ args: ["--login-shell", "/bin/bash", ...args] });
  writeFileSync(`${server.home}/.bash_profile`, "PS1='there> '; unset HISTFILE\n");
  return server;
}

async function opened(join: string, ...args: string[]): Promise<Screen> {
  const here = await screen({ SOCK_JOIN: join });
  await here.enter(`set +m; $SOCK_BIN shell ${args.join(" ")}; echo "ended with $?"`);
  await here.shows("there>");
  return here;
}

/** A machine that has joined, with its own key: only such a one may take a terminal over. */
async function joined(server: Serving, name: string): Promise<{ home: string }> {
  const home = folder.join(`${name}-${Math.random()}`);
  const invited = ["invite", "--name", name, "--allow", "shell", "--host", `127.0.0.1:${server.port}`];
  const code = (await sock(invited, { home: server.home })).stdout.trim();
  await Bun.write(`${home}/.keep`, "");
  const ran = await sock(["join", "--as", "web1"], { home, stdin: code });
  if (ran.status !== 0) throw new Error(ran.stderr);
  return { home };
}

async function openedBy(home: string, ...args: string[]): Promise<Screen> {
  const here = await screen({ SOCK_HOME: `${home}/sock` });
  await here.enter(`set +m; $SOCK_BIN shell web1 ${args.join(" ")}; echo "ended with $?"`);
  return here;
}

async function list(home: string): Promise<Record<string, unknown>[]> {
  const ran = await sock(["shell", "web1", "--list", "--json"], { home });
  return events(ran.stdout).filter(({ type }) => type === "terminal");
}

describe.skipIf(!HAS_TMUX)("the link is cut in the middle of output", () => {
  const BREAKS: [string, (relay: Relay) => Promise<void>][] = [
    ["reset", async (relay) => relay.cutAll("reset")],
    ["closed", async (relay) => relay.cutAll("end")],
    [
      "dead for a while, then reset",
      async (relay) => {
        stall(relay, true);
        await Bun.sleep(700);
        relay.cutAll("reset");
        await Bun.sleep(300);
        stall(relay, false);
      },
    ],
    [
      "dead for a while, and then alive again",
      async (relay) => {
        stall(relay, true);
        await Bun.sleep(1000);
        stall(relay, false);
      },
    ],
    [
      "broken ten times in a row",
      async (relay) => {
        for (let round = 0; round < 10; round++) {
          relay.cutAll("reset");
          await Bun.sleep(50);
        }
      },
    ],
  ];
  for (const [what, broken] of BREAKS) {
    test(`${what}: no byte is lost, none comes twice, and keys typed meanwhile arrive once`, async () => {
      await using server = await terminalServer();
      await using relay = await Relay.start(server.port);
      await using here = await opened(codeAt(server.join, relay.port));
      const recorded = await here.record();
      await here.enter(
        "stty -echo; for i in $(seq 1 1500); do echo n$i; sleep 0.0005; done; echo re''ady; cat",
      );
      await here.shows(/^n\d+$/m);
      await broken(relay);
      await here.enter("typed meanwhile");
      await here.shows(/^typed meanwhile$/m, 20_000);
      await here.key("C-d");
      await here.enter("exit 6");
      await here.shows(ENDED);
      const seen = await until(async () => {
        const text = await recorded();
        return ENDED.test(text) && text;
      });
      const numbers = [...seen.matchAll(/n(\d+)\r/g)].map(([, number]) => Number(number));
      expect(numbers).toEqual(Array.from({ length: 1500 }, (_, index) => index + 1));
      expect(seen.split("typed meanwhile").length).toBe(2);
      expect(seen.split("ready").length).toBe(2);
    }, 40_000);
  }
});

function stall(relay: Relay, stalled: boolean): void {
  relay.faults.up.stalled = stalled;
  relay.faults.down.stalled = stalled;
}

describe.skipIf(!HAS_TMUX)("while the link is dead", () => {
  test("it is shown that it is tried; then the notice goes; ~. gives up", async () => {
    await using server = await terminalServer();
    const relay = await Relay.start(server.port);
    await using here = await opened(codeAt(server.join, relay.port));
    await relay[Symbol.asyncDispose]();
    await here.shows("trying again");
    await here.key("Enter");
    await here.type("~.");
    await here.shows("ended with 255");
    expect(await here.text()).not.toContain("trying again");
  });
});

describe.skipIf(!HAS_TMUX)("after the notice", () => {
  test("a full-screen program's last line is there again", async () => {
    await using server = await terminalServer();
    await using relay = await Relay.start(server.port);
    await using here = await opened(codeAt(server.join, relay.port));
    await here.enter("seq 1000 | LESS= less -M");
    await here.shows("lines 1-23");
    const before = await here.text();
    stall(relay, true);
    relay.cutAll("reset");
    await here.shows("trying again");
    stall(relay, false);
    await until(async () => (await here.text()) === before, "the screen as it was");
    await here.type("q");
    await here.enter("exit");
    await here.shows("ended with 0");
  });
});

describe.skipIf(!HAS_TMUX)("in a link that is silent and not known to be dead", () => {
  test("~. ends it here, SIGTERM leaves it there, both soon", async () => {
    await using server = await terminalServer();
    await using relay = await Relay.start(server.port);
    const join = codeAt(server.join, relay.port);
    for (const how of ["~.", "SIGTERM"]) {
      await using here = await opened(join);
      stall(relay, true);
      if (how === "~.") await here.type(how);
      else process.kill(clientOf({ join }), how);
      await here.shows(how === "~." ? "ended with 255" : "ended with 143");
      stall(relay, false);
    }
  }, 40_000);
});

describe.skipIf(!HAS_TMUX)("from elsewhere", () => {
  test("~d leaves it; --list names it; --attach goes on with it, also by name; another key can't", async () => {
    await using server = await terminalServer();
    const { home } = await joined(server, "kai");
    const other = await joined(server, "eve");
    await using here = await openedBy(home, "--name", "build");
    await here.shows("there>");
    await here.enter("secret=42");
    await here.type("~d");
    await here.shows("ended with 0");
    expect(await list(home)).toMatchObject([{ name: "build", attached: false, command: "/bin/bash" }]);
    expect((await sock(["shell", "web1", "--list"], { home })).stdout).toContain("build");
    expect(await list(other.home)).toEqual([]);
    await using eve = await openedBy(other.home, "--attach", "--name", "build");
    await eve.shows("ended with 255");
    expect(await eve.text()).toContain("no terminal build");
    await here.enter('clear; $SOCK_BIN shell web1 --attach; echo "ended with $?"');
    await here.shows("there>");
    await here.enter("echo $((secret + 1))");
    await here.shows(/^43$/m);
    // the second one takes it from the first
    await using again = await openedBy(home, "--attach", "build");
    await here.shows("another client has it now");
    await here.shows(ENDED);
    await again.enter("echo $((secret + 2)); exit 7");
    await again.shows(/^44$/m);
    await again.shows("ended with 7");
    expect(await list(home)).toEqual([]);
    await again.enter('clear; $SOCK_BIN shell web1 --attach; echo "ended with $?"');
    await again.shows("ended with 255");
  }, 40_000);

  test("what was shown before ~d is not shown again, and nothing is missing", async () => {
    await using server = await terminalServer();
    const { home } = await joined(server, "kai");
    await using here = await openedBy(home);
    await here.shows("there>");
    const recorded = await here.record();
    const ticks = async (): Promise<number[]> =>
      Array.from((await recorded()).matchAll(/tick-(\d+)/g), ([, number]) => Number(number));
    await here.enter('n=0; until test -e stop; do echo "tick-$((n+=1))"; sleep 0.01; done; echo al"l"');
    for (let times = 1; times <= 3; times++) {
      const before = (await ticks()).length;
      await until(async () => (await ticks()).length > before + 20, "output");
      await here.key("Enter");
      await here.type("~d");
      await here.shows("ended with 0");
      await here.enter('clear; $SOCK_BIN shell web1 --attach; echo "ended with $?"');
    }
    await here.shows(/tick-/);
    writeFileSync(`${server.home}/stop`, "");
    await here.shows(/^all/m);
    const all = await ticks();
    expect(all).toEqual(all.map((_, at) => at + 1));
  }, 40_000);

  test("a name that is taken is refused; another one is not", async () => {
    await using server = await terminalServer();
    const { home } = await joined(server, "kai");
    await using one = await openedBy(home, "--name", "a");
    await one.shows("there>");
    await using two = await openedBy(home, "--name", "a");
    await two.shows("ended with 255");
    await two.enter("clear; $SOCK_BIN shell web1 --name b");
    await two.shows("there>");
    expect((await list(home)).map(({ name }) => name)).toEqual(["a", "b"]);
  });

  test("after its client was killed: attached again, and a full-screen program is drawn anew", async () => {
    await using server = await terminalServer();
    const { home } = await joined(server, "kai");
    await using here = await openedBy(home);
    await here.shows("there>");
    await here.enter("seq 1000 | LESS= less");
    await here.shows(/^23$/m);
    const [client] = processesWith("\0shell\0web1");
    process.kill(client ?? 0, "SIGKILL");
    await until(async () => (await list(home))[0]?.["attached"] === false);
    await using again = await openedBy(home, "--attach");
    await again.shows(/^22\n23$/m);
    const screen = Array.from({ length: 23 }, (_, at) => String(at + 1)).join();
    await until(async () => (await again.lines()).slice(0, 23).join() === screen, "the whole screen");
    await again.type("q");
    await again.enter("exit");
    await again.shows("ended with 0");
  });

  test("a direct code can't take over what a run has left, not even its own", async () => {
    await using server = await terminalServer();
    await using here = await opened(server.join);
    await here.type("~d");
    await here.shows("ended with 0");
    await here.enter('clear; $SOCK_BIN shell --attach; echo "ended with $?"');
    await here.shows("ended with 255");
  });
});

describe.skipIf(!HAS_TMUX)("the end of the wait", () => {
  test("--linger: what nobody comes back for is ended", async () => {
    await using server = await terminalServer("--linger", "1s");
    const { home } = await joined(server, "kai");
    const word = sleepWord();
    await using here = await openedBy(home);
    await here.shows("there>");
    await here.enter(`sleep ${word}`);
    await until(() => processesWith(`sleep\0${word}`).length === 1, "sleep");
    const [client] = processesWith("\0shell\0web1");
    process.kill(client ?? 0, "SIGKILL");
    await until(() => processesWith(`sleep\0${word}`).length === 0, "its end");
    await until(async () => (await list(home)).length === 0);
  });

  test("the owner's revoking ends it, attached or waiting", async () => {
    await using server = await terminalServer();
    const { home } = await joined(server, "kai");
    const word = sleepWord();
    await using waiting = await openedBy(home);
    await waiting.shows("there>");
    await waiting.enter(`sleep ${word} & echo st''arted`);
    await waiting.shows(/^started$/m);
    await waiting.type("~d");
    await waiting.shows("ended with 0");
    await using attached = await openedBy(home);
    await attached.shows("there>");
    await attached.enter(`sleep ${word}`);
    await until(() => processesWith(`sleep\0${word}`).length === 2, "both of them");
    await sock(["revoke", "kai"], { home: server.home });
    await attached.shows("ended with 255");
    await until(() => processesWith(`sleep\0${word}`).length === 0, "their end");
  });

  test("a server that is stopped ends them all, and says so", async () => {
    await using server = await terminalServer();
    const word = sleepWord();
    await using here = await opened(server.join);
    await here.enter(`sleep ${word}`);
    await until(() => processesWith(`sleep\0${word}`).length === 1, "sleep");
    await server.stop();
    await here.shows(ENDED);
    await until(() => processesWith(`sleep\0${word}`).length === 0, "its end");
  }, 40_000);
});

test("--list where nothing waits", async () => {
  await using server = await shellServer();
  expect(await shell(server, ["--list"])).toMatchObject({ status: 0, stdout: "" });
  const told = await shell(server, ["--list", "--json"]);
  expect([told.status, resultOf(told.stdout)]).toMatchObject([0, { status: 0 }]);
});
