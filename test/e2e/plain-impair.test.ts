/** `sock plain --impair`, seen from a client. The figures themselves: test/measure/impairment.test.ts. */
import { expect, test } from "bun:test";
import { anywhere, plain } from "../helpers/plain.ts";
import { events, sock } from "../helpers/run.ts";
import { until } from "../helpers/until.ts";

const COUNT = 10_000;
/** Datagrams that are on their way at once: more could be lost in the sockets' own buffers, when a process is held up. */
const UNDER_WAY = 100;
/** So long the newest of them is waited for: it may be one that is lost, ms. */
const PATIENCE_MS = 100;

interface Came {
  /** Numbers in the order of their arrival. */
  readonly numbers: readonly number[];
  readonly fastest: number;
}

/** Sends numbered datagrams to an echo and waits until all are back that will come. */
async function exchange(port: number): Promise<Came> {
  const numbers: number[] = [];
  const sent: number[] = [];
  let fastest = Infinity;
  let last = 0;
  let highest = -1;
  const socket = await Bun.udpSocket({
    connect: { hostname: "127.0.0.1", port },
    socket: {
      data(_socket, data) {
        const number = data.readUInt32LE(0);
        last = performance.now();
        fastest = Math.min(fastest, last - (sent[number] ?? 0));
        highest = Math.max(highest, number);
        numbers.push(number);
      },
    },
  });
  for (let number = 0; number < COUNT; number++) {
    const bytes = Buffer.alloc(64);
    bytes.writeUInt32LE(number);
    sent.push(performance.now());
    socket.send(bytes);
    const late = performance.now() + PATIENCE_MS;
    while (number - highest >= UNDER_WAY && performance.now() < late) await Bun.sleep(1);
  }
  // the last one that may be held back comes later
  await until(() => performance.now() - last > 600, "the last datagram");
  socket.close();
  return { numbers, fastest };
}

/** How far a share of COUNT may be off by chance: five standard deviations. */
function bound(share: number): number {
  return 5 * Math.sqrt(COUNT * share * (1 - share));
}

test("10,000 datagrams: loss, doubles, order and delay as stated, and the same for the same seed", async () => {
  const argv = [
    anywhere("echo", "udp"),
    "--impair",
    "drop=1% dup=0.5% reorder=2% delay=20ms",
    "--seed",
    "42",
  ];
  const runs: Came[] = [];
  for (let run = 0; run < 2; run++) {
    await using server = await plain(argv);
    runs.push(await exchange(server.port("echo")));
  }
  const [one, two] = runs;
  if (one === undefined || two === undefined) throw new Error("no runs");
  const distinct = new Set(one.numbers);
  expect(Math.abs(COUNT - distinct.size - COUNT * 0.01)).toBeLessThan(bound(0.01));
  expect(Math.abs(one.numbers.length - distinct.size - COUNT * 0.005)).toBeLessThan(bound(0.005));
  let highest = -1;
  let reordered = 0;
  for (const number of one.numbers) {
    if (number < highest) reordered += 1;
    highest = Math.max(highest, number);
  }
  expect(Math.abs(reordered - COUNT * 0.02)).toBeLessThan(bound(0.02) + 10);
  expect(one.fastest).toBeGreaterThanOrEqual(19.9);
  expect(two.numbers).toEqual(one.numbers);
}, 60_000);

test("without a seed one is made, and said", async () => {
  await using server = await plain([anywhere("echo", "udp"), "--impair", "drop=50%"]);
  await until(() => /--seed \d+/.test(server.child.stderr()), "the seed");
});

/** What a client gets for what it sends: each piece, and when, ms after the sending. */
async function pieces(port: number, text: string, bytes: number): Promise<{ at: number; text: string }[]> {
  const came: { at: number; text: string }[] = [];
  const started = performance.now();
  let closed = false;
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: {
      data: (_socket, data) => void came.push({ at: performance.now() - started, text: data.toString() }),
      close: () => void (closed = true),
    },
  });
  socket.write(text);
  await until(() => closed || came.reduce((sum, piece) => sum + piece.text.length, 0) >= bytes, "the answer");
  socket.terminate();
  return came;
}

test("delay and stall hold a stream back; nothing of it is lost", async () => {
  await using server = await plain([anywhere("echo"), "--impair", "delay=50ms stall=300ms"]);
  const came = await pieces(server.port("echo"), "abcdef", 6);
  expect(came.map((piece) => piece.text)).toEqual(["abc", "def"]);
  expect(came[0]?.at).toBeGreaterThanOrEqual(50);
  expect(came[1]?.at).toBeGreaterThanOrEqual(350);
});

test("split: writes of so many bytes", async () => {
  await using server = await plain([anywhere("echo"), "--impair", "split=2", "--trace"]);
  const came = await pieces(server.port("echo"), "abcdefg", 7);
  expect(came.map((piece) => piece.text).join("")).toBe("abcdefg");
  const written = (): unknown[] =>
    server
      .events("trace")
      .filter((event) => event["direction"] === "write")
      .map((event) => event["bytes"]);
  await until(() => written().length >= 4, "the trace of four writes");
  expect(written()).toEqual([2, 2, 2, 1]);
});

test("coalesce: a length that should come alone sticks to its body", async () => {
  await using server = await plain([anywhere("exec-textlen"), "--impair", "coalesce=300ms"]);
  const came = await pieces(server.port("exec-textlen"), "echo hello", 7);
  expect(came.map((piece) => piece.text)).toEqual(["6hello\n"]);
});

test("rate: so many bits a second", async () => {
  await using server = await plain([anywhere("echo"), "--impair", "rate=800kbit"]);
  // 100 kB a second: what is sent in one write leaves at once, and the next one waits for it
  const port = server.port("echo");
  const started = performance.now();
  const lines = Array.from({ length: 10 }, () => "x".repeat(2000)).join("\n");
  const ran = await sock(["echo", `tcp://127.0.0.1:${port}`, "--dialect", "echo"], { stdin: lines });
  expect(ran.status).toBe(0);
  expect(performance.now() - started).toBeGreaterThanOrEqual(160);
});

test("reset: the connection breaks, and who asked is told", async () => {
  await using server = await plain([anywhere("exec-length"), "--impair", "reset=100%"]);
  const url = `tcp://127.0.0.1:${server.port("exec-length")}`;
  const ran = await sock(["shell", url, "--dialect", "exec-length", "-c", "echo hi", "--json"]);
  expect(events(ran.stdout).at(-1)).toMatchObject({ code: "lost" });
  expect(ran.status).not.toBe(0);
});
