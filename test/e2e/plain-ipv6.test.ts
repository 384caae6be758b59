/** Plain peers over IPv6: datagrams both ways, and both families on one port. */
import { describe, expect, test } from "bun:test";
import { plain } from "../helpers/plain.ts";
import { sock } from "../helpers/run.ts";

const IPV6 = await Bun.udpSocket({ hostname: "::1" }).then(
  (socket) => {
    socket.close();
    return true;
  },
  () => false,
);

describe.skipIf(!IPV6)("IPv6", () => {
  test.each(["udp", "tcp"])("sock echo %s://[::1]", async (kind) => {
    await using server = await plain([`upper=${kind}://[::1]:0`]);
    const url = `${kind}://[::1]:${server.port("upper")}`;
    const ran = await sock(["echo", url, "hi", "--dialect", "upper"]);
    expect(ran).toMatchObject({ stdout: "HI\n", stderr: "", status: 0 });
  });

  test.each(["udp", "tcp"])("%s: [::] is IPv6 alone, and leaves the port to IPv4", async (kind) => {
    await using six = await plain([`echo=${kind}://[::]:0`]);
    const port = six.port("echo");
    await using four = await plain([`upper=${kind}://0.0.0.0:${port}`]);
    expect(four.port("upper")).toBe(port);
    expect((await sock(["echo", `${kind}://127.0.0.1:${port}`, "hi"])).stdout).toBe("HI\n");
    expect((await sock(["echo", `${kind}://[::1]:${port}`, "hi"])).stdout).toBe("hi\n");
  });
});

test("sock echo of an IPv4 address that is written as one of IPv6", async () => {
  await using server = await plain(["upper=udp://127.0.0.1:0"]);
  const url = `udp://[::ffff:127.0.0.1]:${server.port("upper")}`;
  expect((await sock(["echo", url, "hi"])).stdout).toBe("HI\n");
});
