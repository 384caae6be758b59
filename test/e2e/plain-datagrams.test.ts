/** `sock echo udp://…`, and UDP echoes of `sock plain`. */
import { expect, test } from "bun:test";
import { anywhere, plain } from "../helpers/plain.ts";
import { events, sock } from "../helpers/run.ts";
import { until } from "../helpers/until.ts";

test("text and lines, there and back, in both dialects", async () => {
  await using server = await plain([anywhere("echo", "udp"), anywhere("upper", "udp")]);
  const [echo, upper] = ["echo", "upper"].map((name) => `udp://127.0.0.1:${server.port(name)}`);
  expect(await sock(["echo", echo ?? "", "hello", "--dialect", "echo"])).toMatchObject({
    stdout: "hello\n",
    status: 0,
  });
  const lines = await sock(["echo", upper ?? "", "--dialect", "upper"], { stdin: "one\ntwo\n" });
  expect(lines).toMatchObject({ stdout: "ONE\nTWO\n", status: 0 });
  expect(await sock(["echo", echo ?? "", "a", "--dialect", "upper"])).toMatchObject({
    stdout: "a\n",
    status: 9,
  });
});

test("no answer is said, and not waited for for ever", async () => {
  await using server = await plain([anywhere("echo", "udp"), "--impair", "drop=100%"]);
  const ran = await sock(["echo", `udp://127.0.0.1:${server.port("echo")}`, "hello", "--json"]);
  expect(events(ran.stdout).at(-1)).toMatchObject({ code: "silent", status: 6 });
});

test("nobody there", async () => {
  const held = await Bun.udpSocket({ hostname: "127.0.0.1", port: 0 });
  const { port } = held;
  held.close();
  const ran = await sock(["echo", `udp://127.0.0.1:${port}`, "hello", "--json"]);
  expect(events(ran.stdout).at(-1)).toMatchObject({ status: 6 });
});

test("--trace on both sides names the same bytes", async () => {
  await using server = await plain([anywhere("echo", "udp"), "--trace"]);
  const ran = await sock(["echo", `udp://127.0.0.1:${server.port("echo")}`, "hi", "--trace", "--json"]);
  const hex = (all: Record<string, unknown>[]): unknown[] =>
    all.filter((event) => event["type"] === "trace").map((event) => [event["direction"], event["hex"]]);
  expect(hex(events(ran.stdout))).toEqual([
    ["write", "6869"],
    ["read", "6869"],
  ]);
  await until(() => server.events("trace").length >= 2, "the server's trace");
  expect(hex(server.events("trace"))).toEqual([
    ["read", "6869"],
    ["write", "6869"],
  ]);
});

test("one that may be an echo too gets no answer, so that nothing goes round for ever; a client gets its own", async () => {
  await using server = await plain([anywhere("echo", "udp")]);
  const port = server.port("echo");
  let [likeUs, client] = [0, 0];
  const other = await Bun.udpSocket({ hostname: "127.0.0.2", port, socket: { data: () => void likeUs++ } });
  const one = await Bun.udpSocket({ hostname: "127.0.0.2", socket: { data: () => void client++ } });
  for (let count = 0; count < 10; count++) other.send("round", port, "127.0.0.1");
  await until(() => {
    one.send("hello", port, "127.0.0.1");
    return client > 3;
  }, "a client's answers");
  expect(likeUs).toBe(0);
  // said once, not for each of them
  expect(server.events("refused")).toEqual([
    expect.objectContaining({ peer: `127.0.0.2:${port}` }) as Record<string, unknown>,
  ]);
  other.close();
  one.close();
});
