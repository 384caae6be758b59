import { expect, test } from "bun:test";
import { Relay } from "./relay.ts";
import { until } from "./until.ts";

const MB = 1_000_000;

/** An echo server on a free port. */
function echoServer(): Bun.TCPSocketListener<{ rest: Uint8Array }> {
  return Bun.listen<{ rest: Uint8Array }>({
    hostname: "127.0.0.1",
    port: 0,
    data: { rest: new Uint8Array(0) },
    socket: {
      open: (socket) => void (socket.data = { rest: new Uint8Array(0) }),
      data: (socket, bytes) => flush(socket, Buffer.concat([socket.data.rest, bytes])),
      drain: (socket) => flush(socket, socket.data.rest),
    },
  });
}

function flush(socket: Bun.Socket<{ rest: Uint8Array }>, bytes: Uint8Array): void {
  socket.data.rest = new Uint8Array(bytes.subarray(socket.write(bytes)));
}

interface Caller {
  received: number;
  closed: boolean;
  send(bytes: Uint8Array): void;
}

async function call(port: number): Promise<Caller> {
  const caller: Caller = { received: 0, closed: false, send: () => undefined };
  let rest: Uint8Array = new Uint8Array(0);
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: {
      data: (_socket, bytes) => void (caller.received += bytes.length),
      drain: (self) => void (rest = rest.subarray(self.write(rest))),
      close: () => void (caller.closed = true),
      error: () => void (caller.closed = true),
    },
  });
  caller.send = (bytes) => void (rest = bytes.subarray(socket.write(bytes)));
  return caller;
}

test("carries and counts both ways", async () => {
  const server = echoServer();
  await using relay = await Relay.start(server.port);
  const caller = await call(relay.port);
  caller.send(new Uint8Array(MB));
  await until(() => caller.received === MB, "the echo");
  expect(relay.bytes).toEqual({ up: MB, down: MB });
  server.stop(true);
});

for (const how of ["end", "reset"] as const) {
  test(`cuts at a byte by ${how}`, async () => {
    const server = echoServer();
    await using relay = await Relay.start(server.port);
    Object.assign(relay.faults.down, { cutAfter: 1000, cut: how });
    const caller = await call(relay.port);
    caller.send(new Uint8Array(MB));
    await until(() => caller.closed, "the cut");
    expect(relay.bytes.down).toBe(1000);
    if (how === "end") expect(caller.received).toBe(1000);
    expect(relay.open).toBe(0);
    server.stop(true);
  });
}

test("stalls and goes on", async () => {
  const server = echoServer();
  await using relay = await Relay.start(server.port);
  relay.faults.up.stalled = true;
  const caller = await call(relay.port);
  caller.send(new Uint8Array(10));
  await until(() => relay.accepted === 1);
  expect(caller.received).toBe(0);
  relay.faults.up.stalled = false;
  await until(() => caller.received === 10, "what had waited");
  server.stop(true);
});

test("delays and limits the rate", async () => {
  const server = echoServer();
  await using relay = await Relay.start(server.port);
  Object.assign(relay.faults.up, { delayMs: 50, rate: MB });
  const caller = await call(relay.port);
  const start = performance.now();
  caller.send(new Uint8Array(50_000)); // 50 ms at this rate
  await until(() => caller.received === 50_000);
  expect(performance.now() - start).toBeGreaterThan(95);
  server.stop(true);
});
