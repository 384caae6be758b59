/** `sock udp udp://…`: echo servers that know nothing of us. */
import { describe, expect, test } from "bun:test";
import { start } from "../helpers/child.ts";
import { resultOf, sock } from "../helpers/run.ts";

async function measured(args: readonly string[]) {
  const ran = await sock(["udp", ...args, "--json"]);
  return { ...ran, result: resultOf(ran.stdout) };
}

describe("a plain echo server", () => {
  test("text, and what can be known of round trips; the rest is null", async () => {
    const echo = await Bun.udpSocket({
      hostname: "127.0.0.1",
      socket: { data: (socket, bytes, port, address) => void socket.send(bytes, port, address) },
    });
    const url = `udp://127.0.0.1:${echo.port}`;
    expect((await sock(["udp", url, "hah"])).stdout).toBe("hah\n");
    const { result, status } = await measured([url, "--count", "20", "--interval", "2ms"]);
    expect(status).toBe(0);
    const unknown = { lost: null, duplicates: null, reordered: null, corrupt: null };
    expect(result).toMatchObject({
      sent: 20,
      received: 20,
      loss_percent: 0,
      up: unknown,
      down: unknown,
      both: { lost: 0, duplicates: 0, reordered: 0, corrupt: 0 },
      rate_limited: null,
      server_us: { n: 0, p50: null },
      rtt_us: { n: 20 },
    });
    const limited = await measured([url, "--count", "5", "--max-loss-up", "50%"]);
    expect(limited.result).toMatchObject({
      status: 3,
      verdict: { missed: [{ name: "max_loss_up", value: null }] },
    });
    echo.close();
  });

  test("nobody there: a clear end at once", async () => {
    const gone = await Bun.udpSocket({ hostname: "127.0.0.1" });
    const { port } = gone;
    gone.close();
    const begun = performance.now();
    const ran = await measured([`udp://127.0.0.1:${port}`]);
    // silence is believed after three seconds
    expect(performance.now() - begun).toBeLessThan(2500);
    expect(ran.result).toMatchObject({ status: 6, code: "refused", complete: false, received: 0 });
  });

  test("--ready waits until it answers, and nothing of that counts", async () => {
    const gone = await Bun.udpSocket({ hostname: "127.0.0.1" });
    const { port } = gone;
    gone.close();
    const url = `udp://127.0.0.1:${port}`;
    const refused = await measured([url, "--ready", "500ms"]);
    expect(refused.result).toMatchObject({ status: 6, code: "refused" });
    await using child = await start(["udp", url, "--count", "20", "--ready", "30s", "--json"]);
    let came = 0;
    // up, and deaf still
    const echo = await Bun.udpSocket({
      hostname: "127.0.0.1",
      port,
      socket: {
        data: (socket, bytes, from, address) => {
          came += 1;
          if (came > 1) socket.send(bytes, from, address);
        },
      },
    });
    expect(await child.ended()).toBe(0);
    expect(resultOf(child.stdout())).toMatchObject({ sent: 20, received: 20, both: { lost: 0 }, foreign: 0 });
    // one that was lost, one that came back, and those that count
    expect(came).toBe(22);
    echo.close();
  });
});
