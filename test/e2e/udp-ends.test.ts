/** Runs that fail: which way is dead, and what ends them. */
import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { codeAt, start } from "../helpers/child.ts";
import { Relay } from "../helpers/relay.ts";
import { events, resultOf, sock } from "../helpers/run.ts";
import { scriptedClient, scriptedServer } from "../helpers/scripted.ts";
import { serve } from "../helpers/serve.ts";
import { Listener } from "../helpers/udp-session.ts";
import { until } from "../helpers/until.ts";

async function measured(args: readonly string[], env: Record<string, string>) {
  const ran = await sock(["udp", ...args, "--json"], { env });
  return { ...ran, result: resultOf(ran.stdout) };
}

test("the owner's line tells a run that was cut from one that came to its end", async () => {
  await using server = await serve();
  const env = { SOCK_JOIN: server.join };
  const lines = () =>
    events(server.stdout()).filter(({ type, verb }) => type === "request" && verb === "udp");
  expect((await sock(["udp", "--count", "3"], { env })).status).toBe(0);
  expect((await sock(["udp", ":", "hi"], { env })).stdout).toBe("hi\n");
  using peer = await scriptedClient(server.join);
  peer.send({ type: "udp", count: 100, interval: 10_000_000, bytes: 64 });
  expect((await peer.next())?.type).toBe("udp");
  peer.channel.connection.terminate();
  await until(() => lines().length === 3, "its line");
  expect(lines().map(({ outcome }) => outcome)).toEqual(["ok", "ok", "cut"]);
});

describe("diagnosis", () => {
  for (const [way, words] of [
    ["up", "saw 0 of"],
    ["down", "saw 300 of 300"],
  ] as const) {
    test(`nothing gets through ${way}: status 6, and which way is dead`, async () => {
      await using server = await serve();
      await using relay = await Relay.withDatagrams(server.port);
      relay.datagrams.faults[way].decide = () => "drop";
      const env = { SOCK_JOIN: codeAt(server.join, relay.port) };
      const { result, status } = await measured(["--max-loss", "50%"], env);
      expect(status).toBe(6);
      expect(result).toMatchObject({ code: "silent", complete: false, received: 0, sent: 100 });
      expect(String(result["message"])).toContain(words.replace("300", "100").replace("300", "100"));
      expect(String(result["hint"])).toContain(way === "up" ? "on the way there" : "on the way back");
    });
  }

  test("a closed port: a clear end at once, in the words of TCP's side", async () => {
    await using server = await serve();
    await using relay = await Relay.start(server.port);
    const begun = performance.now();
    const ran = await measured([], { SOCK_JOIN: codeAt(server.join, relay.port) });
    expect(performance.now() - begun).toBeLessThan(1000);
    expect(ran.result).toMatchObject({
      status: 6,
      code: "refused",
      received: 0,
      up: { lost: ran.result["sent"] },
    });
    expect(ran.stderr).toContain("tcp to 127.0.0.1 works, udp does not: its port is closed");
    expect(ran.stderr).toContain(`${relay.port}/udp`);
  });

  test("no reply in the first 3 s ends a long run", async () => {
    await using server = await serve();
    await using relay = await Relay.withDatagrams(server.port);
    relay.datagrams.faults.up.decide = () => "drop";
    const begun = performance.now();
    const ran = await measured(["--duration", "60s"], { SOCK_JOIN: codeAt(server.join, relay.port) });
    expect(performance.now() - begun).toBeWithin(2900, 4500);
    expect(ran.result).toMatchObject({ status: 6, code: "silent", up: { lost: ran.result["sent"] } });
  });

  test("a NAT that changes the port in the run is named", async () => {
    await using server = await serve();
    await using relay = await Relay.withDatagrams(server.port);
    await using child = await start(["udp", "--count", "100", "--json"], {
      env: { SOCK_JOIN: codeAt(server.join, relay.port) },
    });
    await until(() => relay.datagrams.counts.down.seen > 20, "some replies");
    await relay.datagrams.forgetClients();
    await child.ended();
    const result = resultOf(child.stdout());
    const moved = Number(result["moved"]);
    expect(moved).toBeGreaterThan(10);
    // one may have been on its way through the port that was forgotten, and its reply too
    const { up, down } = result as { up: { lost: number }; down: { lost: number } };
    expect(up.lost - moved).toBeWithin(0, 2);
    expect(down.lost).toBeWithin(0, 2);
    expect(result["moved_to"]).not.toBe(result["seen_as"]);
  });
});

describe("a run ends with what it belongs to", () => {
  test("a server that goes in the middle: its own status, the partial result", async () => {
    for (const [signal, code] of [
      ["SIGKILL", "lost"],
      ["SIGTERM", "draining"],
    ] as const) {
      await using server = await serve();
      await using relay = await Relay.withDatagrams(server.port);
      await using child = await start(["udp", "--duration", "60s", "--json", "--max-loss", "100%"], {
        env: { SOCK_JOIN: codeAt(server.join, relay.port) },
      });
      await until(() => relay.datagrams.counts.down.passed > 10);
      await server.stop(signal);
      expect(await child.ended()).toBe(6);
      const result = resultOf(child.stdout());
      expect(result).toMatchObject({ complete: false, code });
      if (signal === "SIGKILL") expect(result).toMatchObject({ up: { lost: null }, rate_limited: null });
      expect(result["received"]).toBeGreaterThan(5);
    }
  });

  test("a revoked key, and one that may not do it any more: within 1 s", async () => {
    for (const [undo, status] of [
      [["revoke", "ci"], 4],
      [["clients", "deny", "ci", "udp"], 4],
    ] as const) {
      await using server = await serve();
      const join = (await sock(["invite", "--direct", "--name", "ci"], { home: server.home })).stdout;
      await using relay = await Relay.withDatagrams(server.port);
      await using child = await start(["udp", "--duration", "60s", "--json"], {
        env: { SOCK_JOIN: codeAt(join, relay.port) },
      });
      await until(() => relay.datagrams.counts.down.passed > 10);
      await sock([...undo], { home: server.home });
      const begun = performance.now();
      expect(await child.ended()).toBe(status);
      expect(performance.now() - begun).toBeLessThan(1500);
      expect(resultOf(child.stdout())["received"]).toBeGreaterThan(5);
    }
  });

  test("without the capability nothing begins", async () => {
    await using server = await serve();
    const join = (
      await sock(["invite", "--direct", "--name", "ci", "--allow", "echo"], { home: server.home })
    ).stdout;
    const { result } = await measured(["--count", "1"], { SOCK_JOIN: join });
    expect(result).toMatchObject({ status: 4, code: "capability" });
  });
});

test("datagrams of strangers, and forged ones, are counted and ignored", async () => {
  await using server = await serve();
  await using relay = await Relay.withDatagrams(server.port);
  const { datagrams } = relay;
  using stranger = await Listener.open();
  let from = 0;
  let strange = 0;
  // the relay's address is the server's for the client: what it makes up itself is forged
  datagrams.faults.down.decide = (index, bytes) => {
    if (index % 10 === 5) bytes[50]! ^= 1;
    return "pass";
  };
  datagrams.onClient = (port) => (from = port);
  await using child = await start(["udp", "--count", "200", "--interval", "2ms", "--json"], {
    env: { SOCK_JOIN: codeAt(server.join, relay.port) },
  });
  await until(() => datagrams.log.down.length > 20, "some replies");
  for (const reply of datagrams.log.down.slice(0, 10)) {
    stranger.socket.send(reply, from, "127.0.0.1");
    strange += 1;
  }
  expect(await child.ended()).toBe(0);
  const result = resultOf(child.stdout());
  expect(result).toMatchObject({
    sent: 200,
    received: 180,
    down: { lost: 20, duplicates: 0 },
    foreign: 20 + strange,
  });
});

const NONE = { answered: 0, corrupt: 0, limited: 0, duplicates: 0, reordered: 0, extent: 0 };
const UNTRUE: Record<string, Partial<typeof NONE>> = {
  "answered more than were sent": { answered: 1e15 },
  "more came than were sent": { answered: 3, corrupt: 3, limited: 3 },
  "more were overtaken than came": { answered: 4, reordered: 5 },
};
for (const [name, wrong] of Object.entries(UNTRUE)) {
  test(`counts that can't be true are no counts: ${name}`, async () => {
    using server = scriptedServer(
      async (peer) => {
        peer.send({ type: "udp", cookie: "ab".repeat(16), key: Buffer.alloc(32, 1).toString("base64") });
        await peer.until("counts");
        const more = { moved: 0, unsent: 0, drops: null, peer: null, other: null };
        peer.send({ type: "counts", ...NONE, ...more, ...wrong });
      },
      ["udp"],
    );
    const args = ["--count", "5", "--interval", "1ms", "--max-loss-up", "50%"];
    const { result } = await measured(args, { SOCK_JOIN: server.join });
    const nothing = { lost: null, duplicates: null, reordered: null, corrupt: null };
    expect(result).toMatchObject({
      complete: false,
      sent: 5,
      received: 0,
      loss_percent: null,
      up: nothing,
      verdict: { met: false },
    });
  });
}

/** Whether the event loops of a process are told of what comes to its UDP sockets (proc(5)). */
function hearsDatagrams(pid: number): boolean {
  const sockets = readFileSync(`/proc/${pid}/net/udp`, "latin1");
  const entries = readdirSync(`/proc/${pid}/fd`).map((fd) => ({
    fd,
    link: readlinkSync(`/proc/${pid}/fd/${fd}`),
  }));
  const loops = entries
    .filter(({ link }) => link.includes("eventpoll"))
    .map(({ fd }) => readFileSync(`/proc/${pid}/fdinfo/${fd}`, "latin1"));
  const own = entries.filter(({ link }) => {
    const inode = /^socket:\[(\d+)\]$/.exec(link)?.[1];
    return inode !== undefined && sockets.includes(` ${inode} `);
  });
  // EPOLLIN is 1
  return own.some(({ fd }) =>
    loops.some((loop) => {
      const events = new RegExp(`^tfd:\\s+${fd} events:\\s+([0-9a-f]+)`, "m").exec(loop)?.[1];
      return events !== undefined && (Number.parseInt(events, 16) & 1) === 1;
    }),
  );
}

test.if(process.platform === "linux")(
  "while the counts are awaited, too, no flood can keep the client's event loop from them",
  async () => {
    const asked = Promise.withResolvers<void>();
    const answered = Promise.withResolvers<void>();
    using server = scriptedServer(
      async (peer) => {
        peer.send({ type: "udp", cookie: "ab".repeat(16), key: Buffer.alloc(32, 1).toString("base64") });
        await peer.until("counts");
        asked.resolve();
        await answered.promise;
      },
      ["udp"],
    );
    await using child = await start(["udp", "--count", "5", "--interval", "1ms", "--json"], {
      env: { SOCK_JOIN: server.join },
    });
    await asked.promise;
    await until(() => !hearsDatagrams(child.process.pid), "a socket that the event loop leaves alone", 2000);
    answered.resolve();
  },
);
