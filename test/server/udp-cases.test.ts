/** What comes to a port that is open to everybody: each is met with silence, or with one reply that is no longer. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { resultOf, sock } from "../helpers/run.ts";
import { serve, type Serving } from "../helpers/serve.ts";
import { agree, type AgreedRun, Listener, openSession } from "../helpers/udp-session.ts";
import { until } from "../helpers/until.ts";
import { UdpControl } from "../../src/client/udp-control.ts";
import { SockWire } from "../../src/client/udp-wire.ts";
import { DatagramSocket } from "../../src/transport/datagrams.ts";

let server: Serving;
beforeAll(async () => {
  server = await serve();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

/** Nothing more will come for what was sent before: a probe that is answered was behind it in the same socket. */
async function settled(run: AgreedRun, number: number): Promise<void> {
  const before = run.listener.received.length;
  run.send(run.probe(number));
  await until(
    () => run.listener.received.slice(before).some(({ bytes }) => run.wire.read(bytes)?.number === number),
    `the reply to ${number}`,
  );
}

/** Whoever measures beside it: all replies, and the server still lives. */
async function healthy(least = 100): Promise<void> {
  const ran = await sock(["udp", "--count", "200", "--interval", "2ms", "--json"], {
    env: { SOCK_JOIN: server.join },
  });
  const result = resultOf(ran.stdout);
  expect(result).toMatchObject({ complete: true, sent: 200 });
  expect(Number(result["received"])).toBeGreaterThanOrEqual(2 * least);
}

function residentKb(): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.process.pid}/status`, "utf8"))?.[1]);
}

test("a guessed cookie, an expired one, a stolen one from another port: silence", async () => {
  await using run = await agree(server.join);
  await settled(run, 0);
  const guessed = run.probe(1);
  guessed.set(randomBytes(16), 4);
  run.send(guessed);
  using thief = await Listener.open();
  run.send(run.probe(2), thief);
  const old = await agree(server.join);
  const expired = old.probe(0);
  await old.control.counts(true);
  run.send(expired, old.listener);
  await settled(run, 3);
  expect(thief.received).toEqual([]);
  expect(old.listener.received).toEqual([]);
  expect(run.listener.received).toHaveLength(2);
  const counts = await run.control.counts(false);
  expect(counts).toMatchObject({ answered: 2, moved: 1, duplicates: 0 });
  await old[Symbol.asyncDispose]();
});

test("each prefix of a valid datagram, and each single bit of it flipped: silence", async () => {
  await using run = await agree(server.join, { bytes: 80 });
  await settled(run, 0);
  const whole = run.probe(1, randomBytes(16));
  for (let length = 0; length < whole.length; length++) run.send(whole.subarray(0, length));
  for (let bit = 0; bit < 8 * whole.length; bit++) {
    const flipped = Buffer.from(whole);
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    run.send(flipped);
  }
  await settled(run, 2);
  expect(run.listener.received).toHaveLength(2);
  // what has a whole header and another payload is known to be damaged
  const cut = 16;
  expect(await run.control.counts(false)).toMatchObject({
    answered: 2,
    corrupt: 1,
    duplicates: 16 * 8 + cut - 1,
  });
  run.send(whole);
  await settled(run, 3);
  expect(await run.control.counts(false)).toMatchObject({ answered: 4, corrupt: 0 });
});

test("replies are never answered, so two servers can't be made to talk", async () => {
  await using run = await agree(server.join);
  await settled(run, 0);
  const reply = run.listener.received[0]?.bytes ?? Buffer.alloc(0);
  for (let copy = 0; copy < 100; copy++) run.send(reply);
  await settled(run, 1);
  expect(run.listener.received).toHaveLength(2);
});

test("a captured probe, a thousand times from there and from elsewhere: at most one reply", async () => {
  await using run = await agree(server.join);
  await settled(run, 0);
  using elsewhere = await Listener.open();
  const probe = run.probe(1);
  for (let copy = 0; copy < 1000; copy++) {
    run.send(probe);
    run.send(probe, elsewhere);
  }
  await settled(run, 2);
  expect(run.listener.received).toHaveLength(3);
  expect(elsewhere.received).toEqual([]);
  expect(await run.control.counts(false)).toMatchObject({ answered: 3, duplicates: 999, moved: 1000 });
});

test("sizes 0, MTU-1, MTU, MTU+1, 9000, 65507: an echo as long as it was, or silence above what was agreed", async () => {
  await using run = await agree(server.join, { bytes: 65_507 });
  const sizes = [64, 65, 1471, 1472, 1473, 1499, 1500, 1501, 8972, 9000, 65_506, 65_507];
  for (const [at, size] of sizes.entries()) {
    run.send(run.probe(at, randomBytes(size - 64)));
    await until(() => run.listener.received.length === at + 1, `the echo of ${size} bytes`);
    expect(run.listener.received[at]?.bytes.length).toBe(size);
  }
  run.send(new Uint8Array(0));
  run.send(new Uint8Array(65_507));
  await using small = await agree(server.join, { bytes: 100 });
  const long = new SockWire(small.control, 101);
  small.send(long.probe(0));
  await settled(small, 1);
  expect(small.listener.received).toHaveLength(1);
  expect(run.listener.received).toHaveLength(sizes.length);
});

test("ten times the agreed rate: the excess is dropped before a reply, and the client is told", async () => {
  await using run = await agree(server.join, { interval: 10_000_000 });
  const sent = 1000;
  for (let number = 0; number < sent; number++) run.send(run.probe(number));
  const counts = await until(async () => {
    const seen = await run.control.counts(false);
    return seen !== undefined && seen.answered + seen.limited === sent && seen;
  });
  // a burst of a second, and what came in while they were sent
  expect(counts.answered).toBeWithin(100, 200);
  expect(counts.limited).toBe(sent - counts.answered);
  await until(() => run.listener.received.length === counts.answered);
});

test("a flood on one run does not starve another", async () => {
  await using run = await agree(server.join);
  const probe = run.probe(0);
  let flooding = true;
  const flood = (async () => {
    while (flooding) {
      for (let copy = 0; copy < 50; copy++) run.send(probe);
      await Bun.sleep(1);
    }
  })();
  await healthy(99);
  flooding = false;
  await flood;
});

test("a flood at a socket whose run has been silent for a while keeps nobody from an answer", async () => {
  await using run = await agree(server.join);
  await settled(run, 0);
  // longer than anything that is only kept up for a moment
  await Bun.sleep(1200);
  const program = `
    const socket = await Bun.udpSocket({ socket: { data() {}, error() {} } });
    for (let round = 1; ; round++) {
      for (let sent = 0; sent < 500; sent++) socket.send(Buffer.alloc(64), ${server.port}, "127.0.0.1");
      if (round === 20) console.log("in full flood");
      await Bun.sleep(0);
    }`;
  const flooders = [1, 2, 3].map(() =>
    Bun.spawn([process.execPath, "-e", program], { stdio: ["ignore", "pipe", "ignore"] }),
  );
  try {
    for (const { stdout } of flooders) await stdout.getReader().read();
    const started = performance.now();
    const ran = await sock(["ls", "--json"], { env: { SOCK_JOIN: server.join } });
    expect(ran.status).toBe(0);
    expect(performance.now() - started).toBeLessThan(3000);
  } finally {
    for (const flooder of flooders) {
      flooder.kill();
      await flooder.exited;
    }
  }
}, 30_000);

test("numbers that jump, end and wrap: the counters are right", async () => {
  await using run = await agree(server.join, { count: 100_000_000, interval: 5000 });
  const numbers = [0, 5, 3, 99_999_999, 4, 99_999_998, 99_999_998];
  for (const number of numbers) run.send(run.probe(number));
  for (const number of [100_000_000, 2 ** 32, 2 ** 53 - 1, 2 ** 53]) run.send(run.probe(number));
  const most = run.probe(1);
  most.fill(255, 20, 28);
  run.send(most);
  await settled(run, 99_999_997);
  const counts = await run.control.counts(false);
  // 4 is further back than the window after the jump: it may be a copy, so it has no answer
  expect(counts).toMatchObject({ answered: 6, duplicates: 2, reordered: 3, extent: 2, corrupt: 0 });
});

test("sockets that vanish before their reply, 10,000 of them: the healthy client has all of its own", async () => {
  let left = 10_000;
  const vanish = async (): Promise<void> => {
    const session = await openSession(server.join);
    const { port } = session.channel.connection;
    while (left > 0) {
      left -= 1;
      const control = await UdpControl.begin(session, { count: 1, interval: 1_000_000, bytes: 64 });
      const socket = await DatagramSocket.bind("127.0.0.1", 0, { datagram: () => undefined });
      socket.send(new SockWire(control, 64).probe(0), port, "127.0.0.1");
      socket.close();
      await control.counts(true);
    }
    session.close();
  };
  const all = Promise.all(Array.from({ length: 8 }, vanish));
  try {
    while (left > 5000) await healthy();
    await all;
  } finally {
    // one that failed leaves the next tests alone
    left = 0;
    await all;
  }
  await healthy();
}, 60_000);

test("300,000 datagrams of no run: under 1 MB, and no answer", async () => {
  await healthy();
  using noise = await Listener.open();
  const probe = randomBytes(64);
  probe.set([0x73, 0x75, 1, 1]);
  const to = { port: server.port, address: "127.0.0.1" };
  // what is kept of each would show every time, a step of the collector does not
  let growth = Infinity;
  for (let times = 0; times < 3 && growth >= 1024; times++) {
    const before = residentKb();
    for (let sent = 0; sent < 300_000; sent += 100) {
      for (let at = 0; at < 100; at++) noise.socket.send(probe, to.port, to.address);
      if (sent % 10_000 === 0) await Bun.sleep(0);
    }
    await healthy();
    growth = residentKb() - before;
  }
  expect(growth).toBeLessThan(1024);
  expect(noise.received).toEqual([]);
}, 60_000);

test("1,000,000 random datagrams: silence, the server lives, memory and log stay as they are", async () => {
  using noise = await Listener.open();
  const packets = Array.from({ length: 256 }, (_, at) => {
    const bytes = randomBytes(at % 2 === 0 ? 64 : 1 + ((at * 7) % 400));
    // half of them look like probes
    if (at % 4 < 2 && bytes.length >= 4) bytes.set([0x73, 0x75, 1, 1]);
    return bytes;
  });
  await using run = await agree(server.join);
  let number = 0;
  /** What the server needs at least meanwhile, KB: its collector lets garbage grow by some MB before it takes it away. */
  const flood = async (total: number): Promise<number> => {
    let least = Number.POSITIVE_INFINITY;
    for (let sent = 0; sent < total; sent += 256) {
      for (const packet of packets) run.send(packet, noise);
      // as fast as it reads: what it never saw would show nothing
      if (sent % 4096 !== 0) continue;
      await settled(run, number++);
      least = Math.min(least, residentKb());
    }
    return least;
  };
  await flood(300_000);
  const before = await flood(200_000);
  const logged = server.stdout().length + server.stderr().length;
  await flood(300_000);
  // eight bytes kept of each would be more; single megabytes come and go
  expect(1024 * ((await flood(200_000)) - before)).toBeLessThan(8 * 500_000);
  expect(noise.received).toEqual([]);
  expect(server.stdout().length + server.stderr().length).toBe(logged);
  await healthy();
}, 60_000);
