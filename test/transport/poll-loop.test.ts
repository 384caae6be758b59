import { afterEach, expect, test } from "bun:test";
import { DatagramSocket } from "../../src/transport/datagrams.ts";
import { PollLoop } from "../../src/transport/poll-loop.ts";
import { until } from "../helpers/until.ts";

const linux = process.platform === "linux";
const open: DatagramSocket[] = [];

afterEach(() => {
  for (const socket of open.splice(0)) socket.close();
});

interface Got {
  text: string;
  port: number;
  address: string;
}

async function bound(address = "127.0.0.1", answers = false) {
  const got: Got[] = [];
  const state = { unreachable: 0 };
  const socket: DatagramSocket = await DatagramSocket.bind(address, 0, {
    datagram(bytes, port, from) {
      got.push({ text: bytes.toString(), port, address: from });
      if (answers) socket.send(bytes, port, from);
    },
    unreachable: () => {
      state.unreachable += 1;
    },
  });
  open.push(socket);
  return { socket, got, state };
}

/** A loop that goes on until `over` is called. */
function polled(...sockets: readonly DatagramSocket[]) {
  let isOver = false;
  const due = (): number | undefined => (isOver ? undefined : Number.POSITIVE_INFINITY);
  const running = PollLoop.of(sockets, { due, awaits: () => false, spinMs: 0 })?.run();
  if (running === undefined) throw new Error("no poll loop here");
  const over = async (): Promise<void> => {
    isOver = true;
    await running;
  };
  return { running, over };
}

test.if(linux)(
  "what comes is handed on with its source, and answered to it, over IPv4, IPv6 and one in the other",
  async () => {
    for (const [server, client, seen] of [
      ["127.0.0.1", "127.0.0.1", "127.0.0.1"],
      ["::1", "::1", "::1"],
      ["::", "127.0.0.1", "127.0.0.1"],
    ] as const) {
      const there = await bound(server, true);
      const here = await bound(client);
      const loop = polled(there.socket);
      for (const text of ["one", "", "three"]) here.socket.send(Buffer.from(text), there.socket.port, client);
      await until(() => here.got.length === 3);
      await loop.over();
      expect(there.got).toEqual(
        ["one", "", "three"].map((text) => ({ text, port: here.socket.port, address: seen })),
      );
      expect(here.got.map(({ text }) => text)).toEqual(["one", "", "three"]);
    }
  },
);

test.if(linux)("several sockets share one loop, and each datagram goes to its own", async () => {
  const all = await Promise.all([bound(), bound(), bound()]);
  const loop = polled(...all.map(({ socket }) => socket));
  const from = await bound();
  for (let round = 0; round < 20; round++) {
    for (const [index, { socket }] of all.entries())
      from.socket.send(Buffer.from(`${index}`), socket.port, "127.0.0.1");
  }
  await until(() => all.every(({ got }) => got.length === 20));
  await loop.over();
  for (const [index, { got }] of all.entries())
    expect(new Set(got.map(({ text }) => text))).toEqual(new Set([`${index}`]));
});

test.if(linux)("timers, connections and other sockets get their turn under a flood", async () => {
  const there = await bound("127.0.0.1", true);
  const beside = await bound("127.0.0.1", true);
  const server = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: { data: (socket, bytes) => void socket.write(bytes) },
  });
  const loop = polled(there.socket);
  let turns = 0;
  const timer = setInterval(() => {
    turns += 1;
  }, 1);
  let back = "";
  const client = await Bun.connect({
    hostname: "127.0.0.1",
    port: server.port,
    socket: { data: (_socket, bytes) => void (back += bytes.toString()) },
  });
  // the two answer each other without end, so that there is always a datagram
  there.socket.send(Buffer.from("ball"), beside.socket.port, "127.0.0.1");
  await until(() => there.got.length > 500);
  client.write("over tcp");
  await until(() => back === "over tcp" && turns > 20 && there.got.length > 2000);
  beside.socket.close();
  clearInterval(timer);
  client.end();
  await loop.over();
  server.stop(true);
});

test.if(linux)("one socket that is never empty does not keep the others from their turn", async () => {
  for (const atOnce of [1, 200]) {
    const hot: DatagramSocket = await DatagramSocket.bind("127.0.0.1", 0, {
      datagram: (bytes) => void hot.send(bytes, hot.port, "127.0.0.1"),
    });
    open.push(hot);
    const [before, after] = [await bound(), await bound()];
    const loop = polled(before.socket, hot, after.socket);
    for (let sent = 0; sent < atOnce; sent++) hot.send(Buffer.from("again"), hot.port, "127.0.0.1");
    const from = await bound();
    for (const round of [1, 2, 3]) {
      for (const { socket } of [before, after])
        from.socket.send(Buffer.from("hello"), socket.port, "127.0.0.1");
      await until(() => before.got.length === round && after.got.length === round);
    }
    hot.close();
    await loop.over();
  }
});

test.if(linux)("after its end the event loop takes the datagrams again", async () => {
  const there = await bound("127.0.0.1", true);
  const here = await bound();
  for (const round of [1, 2, 3]) {
    const loop = polled(there.socket);
    here.socket.send(Buffer.from("in it"), there.socket.port, "127.0.0.1");
    await until(() => here.got.length === 2 * round - 1);
    await loop.over();
    here.socket.send(Buffer.from("after it"), there.socket.port, "127.0.0.1");
    await until(() => here.got.length === 2 * round);
  }
});

test.if(linux)(
  "a socket that is closed meanwhile is left alone, also when its descriptor is another's by then",
  async () => {
    const there = await bound();
    const fd = there.socket.fd;
    const loop = polled(there.socket);
    there.socket.close();
    expect(there.socket.fd).toBeUndefined();
    const next = await bound("127.0.0.1", true);
    expect(next.socket.fd).toBe(fd);
    await loop.over();
    const here = await bound();
    here.socket.send(Buffer.from("hello"), next.socket.port, "127.0.0.1");
    await until(() => here.got.length === 1);
  },
);

test.if(linux)("an ICMP error is told, and the loop goes on", async () => {
  const here = await bound();
  const gone = await bound();
  const { port } = gone.socket;
  gone.socket.close();
  const loop = polled(here.socket);
  here.socket.send(Buffer.from("anybody?"), port, "127.0.0.1");
  await until(() => here.state.unreachable > 0);
  const there = await bound("127.0.0.1", true);
  here.socket.send(Buffer.from("hello"), there.socket.port, "127.0.0.1");
  await until(() => here.got.length === 1);
  await loop.over();
});

test.if(linux)("what is due is asked for in time, and what it throws ends the loop", async () => {
  const { socket } = await bound();
  const start = performance.now();
  const early: number[] = [];
  let next = start + 1;
  const loop = PollLoop.of([socket], {
    due: () => {
      const now = performance.now();
      if (now < next) return next;
      early.push(now - next);
      next += 1;
      return early.length === 20 ? undefined : next;
    },
    awaits: () => false,
    spinMs: 0,
  });
  await loop?.run();
  expect(early).toHaveLength(20);
  const failing = PollLoop.of([socket], {
    due: () => {
      throw new Error("no way");
    },
    awaits: () => false,
    spinMs: 0,
  });
  expect(await failing?.run().catch((error: unknown) => String(error))).toBe("Error: no way");
});
