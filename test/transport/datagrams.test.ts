import { expect, test } from "bun:test";
import { DatagramSocket } from "../../src/transport/datagrams.ts";
import { until } from "../helpers/until.ts";

const nobody = { datagram: () => undefined };

test.if(process.platform === "linux")(
  "what is dropped at an address counts there, and not at another one of the same port",
  async () => {
    const from = await DatagramSocket.bind("127.0.0.1", 0, nobody);
    for (const [own, other] of [
      ["::1", "::ffff:127.0.0.1"],
      ["127.0.0.2", "127.0.0.1"],
    ] as const) {
      const socket = await DatagramSocket.bind(own, 0, nobody);
      const beside = await DatagramSocket.bind(other, socket.port, nobody);
      expect([socket.drops(), beside.drops()]).toEqual([0, 0]);
      beside.deafen(true);
      from.send(Buffer.from("hello"), beside.port, "127.0.0.1");
      await until(() => beside.drops() === 1);
      expect(socket.drops()).toBe(0);
      socket.close();
      beside.close();
    }
    from.close();
  },
);

test.if(process.platform === "linux")(
  "what a socket has dropped stays what it was while other sockets come and go",
  async () => {
    const socket = await DatagramSocket.bind("127.0.0.1", 0, nobody);
    const from = await DatagramSocket.bind("127.0.0.1", 0, nobody);
    socket.deafen(true);
    for (let sent = 0; sent < 10; sent++) from.send(Buffer.from("hello"), socket.port, "127.0.0.1");
    await until(() => socket.drops() === 10);
    const program = `for (;;) for (const one of await Promise.all(Array.from({ length: 100 }, () => Bun.udpSocket({ hostname: "127.0.0.1" })))) one.close();`;
    const others = [1, 2].map(() =>
      Bun.spawn([process.execPath, "-e", program], { stdio: ["ignore", "ignore", "ignore"] }),
    );
    try {
      const told = new Map<number | null, number>();
      for (let asked = 0; asked < 5000; asked++) {
        const drops = socket.drops();
        told.set(drops, (told.get(drops) ?? 0) + 1);
      }
      expect([...told]).toEqual([[10, 5000]]);
    } finally {
      for (const other of others) {
        other.kill();
        await other.exited;
      }
      socket.close();
      from.close();
    }
  },
);
