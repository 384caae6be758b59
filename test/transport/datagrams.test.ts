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
