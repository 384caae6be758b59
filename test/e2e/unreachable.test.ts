import { describe, expect, test } from "bun:test";
import { createServer, type Server, type Socket } from "node:net";
import { codeAt, otherServer, start } from "../helpers/child.ts";
import { resultOf, sock } from "../helpers/run.ts";
import { serve } from "../helpers/serve.ts";
import { until } from "../helpers/until.ts";

/** A listener on loopback that treats each connection as `meet` says; its port. */
async function listener(meet: Parameters<Server["on"]>[1]): Promise<AsyncDisposable & { port: number }> {
  const server = createServer().on("connection", meet).listen(0, "127.0.0.1");
  await until(() => server.listening);
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return { port, [Symbol.asyncDispose]: async () => void server.close() };
}

async function figures(args: string[], env: Record<string, string>) {
  const ran = await sock(["echo", ...args, "--json"], { env });
  return { ...ran, result: resultOf(ran.stdout) };
}

describe("who does not answer", () => {
  test("refused, silent and over the time differ in words, all are status 6", async () => {
    await using server = await serve();
    await using silent = await listener(() => undefined);
    const at = (port: number) => ({ SOCK_JOIN: codeAt(server.join, port) });
    const refused = await figures(["--count", "1"], at(1));
    expect(refused.result).toMatchObject({ status: 6, code: "refused", hint: expect.any(String) });
    const began = performance.now();
    const none = await figures(["--count", "1", "--connect-timeout", "300ms"], at(silent.port));
    expect(none.result).toMatchObject({ status: 6, code: "silent", hint: expect.any(String) });
    expect(performance.now() - began).toBeWithin(300, 2500);
    expect(none.result["message"]).not.toBe(refused.result["message"]);
    const timeout = await figures(["--count", "100000000", "--timeout", "500ms"], { SOCK_JOIN: server.join });
    expect(timeout.result).toMatchObject({ status: 6, code: "timeout", complete: false });
    expect(timeout.result["done"]).toBeGreaterThan(0);
  });

  test("an HTTP server, an SSH banner, another sock: status 5", async () => {
    using http = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("hello") });
    await using ssh = await listener((socket: Socket) => {
      socket.on("error", () => undefined);
      socket.write("SSH-2.0-OpenSSH_9.9\r\n");
    });
    await using server = await serve();
    for (const port of [http.port ?? 0, ssh.port]) {
      const { result } = await figures(["--count", "1", "--connect-timeout", "3s"], {
        SOCK_JOIN: codeAt(server.join, port),
      });
      expect(result).toMatchObject({ status: 5, code: "not-sock" });
    }
    const { result } = await figures(["--count", "1"], { SOCK_JOIN: otherServer(server.join) });
    expect(result).toMatchObject({ status: 5, code: "wrong-server" });
  });

  test("--ready waits for a server that starts later, and no longer than it says", async () => {
    const first = await serve();
    const listen = [`127.0.0.1:${first.port}`];
    const env = { SOCK_JOIN: (await sock(["invite", "--direct"], { home: first.home })).stdout };
    await first.stop();
    const none = await figures(["--count", "1", "--ready", "300ms"], env);
    expect(none.result).toMatchObject({ status: 6, code: "refused" });
    await using waiting = await start(["echo", "--count", "1", "--ready", "10s"], { env });
    await using second = await serve({ home: first.home, listen });
    expect(await waiting.ended()).toBe(0);
    expect(second.port).toBe(first.port);
    await first[Symbol.asyncDispose]();
  });
});
