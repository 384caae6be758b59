/** Chats with servers and clients that do what none should. */
import { describe, expect, test } from "bun:test";
import type { Header } from "../../src/protocol/frame.ts";
import { CHAT_BURST } from "../../src/protocol/constants.ts";
import { start } from "../helpers/child.ts";
import { events, resultOf, sock } from "../helpers/run.ts";
import { scriptedClient, scriptedServer } from "../helpers/scripted.ts";
import { serve } from "../helpers/serve.ts";
import { until } from "../helpers/until.ts";

const ROOM: Header = { type: "room", name: "kai", people: [] };

describe("a server", () => {
  const wrong: [string, Header[]][] = [
    ["says something before the room", [{ type: "said", from: "eva", text: "x" }]],
    ["heard what nobody said", [ROOM, { type: "heard", seq: 1, people: 0 }]],
    ["has two rooms", [ROOM, ROOM]],
    ["says too much", [ROOM, { type: "said", from: "eva", text: "x".repeat(4_001) }]],
    ["has too long a name", [ROOM, { type: "said", from: "e".repeat(41), text: "x" }]],
    [
      "has too many people",
      [{ ...ROOM, people: Array.from({ length: 33 }, () => ({ name: "a", key: "b" })) }],
    ],
    ["has people without a key", [{ ...ROOM, people: [{ name: "eva" }] }]],
    ["answers with something else", [ROOM, { type: "result", files: 0, bytes: 0, skipped: 0, failed: 0 }]],
  ];
  for (const [what, headers] of wrong) {
    test(`that ${what} is protocol: 1`, async () => {
      using server = scriptedServer(
        (peer) => {
          for (const header of headers) peer.send(header);
        },
        ["chat"],
      );
      await using child = await start(["chat", "--json"], { env: { SOCK_JOIN: server.join }, pipe: true });
      expect(await child.ended()).toBe(1);
      expect(resultOf(child.stdout())).toMatchObject({ code: "protocol" });
    });
  }

  test("can't move the cursor with what is called a name", async () => {
    using server = scriptedServer(
      (peer) => {
        peer.send({ type: "room", name: "k\x1b[2J", people: [{ name: "e\u202eva", key: "\x1b]0;x\x07" }] });
        peer.send({ type: "said", from: "e\x07", text: "x\r\ny\x1b[1A" });
        peer.send({ type: "left", name: "\x1b[31m" });
      },
      ["chat"],
    );
    await using child = await start(["chat"], { env: { SOCK_JOIN: server.join }, pipe: true });
    await until(() => child.stderr().includes(" left"), "all of it");
    expect(child.stdout()).toBe("e\\x07: x\ne\\x07: y\\x1b[1A\n");
    // oxlint-disable-next-line no-control-regex -- there must be none
    expect(child.stdout() + child.stderr()).not.toMatch(/[\x00-\x09\x0b-\x1f\u202e]/);
  });
});

describe("a client", () => {
  test("that says the same line again is heard once, also over another connection", async () => {
    await using server = await serve();
    await using kai = await start(["chat", "--json", "--name", "kai"], {
      env: { SOCK_JOIN: server.join },
      pipe: true,
    });
    await until(() => kai.stdout().includes('"room"'), "the room");
    for (const text of ["one", "one again"]) {
      using peer = await scriptedClient(server.join);
      peer.send({ type: "chat", name: "eva" });
      peer.send({ type: "say", seq: 1, text });
      const headers = await peer.until("heard");
      expect(headers.at(-1)).toMatchObject({ type: "heard", seq: 1, people: 1 });
    }
    using other = await scriptedClient(server.join, "f".repeat(32));
    other.send({ type: "chat", name: "eva" });
    other.send({ type: "say", seq: 1, text: "another run" });
    await other.until("heard");
    await until(() => kai.stdout().includes("another run"), "the last line");
    const said = events(kai.stdout().slice(0, kai.stdout().lastIndexOf("\n") + 1));
    expect(said.filter(({ type }) => type === "said").map(({ text }) => text)).toEqual([
      "one",
      "another run",
    ]);
  });

  test("that says more than a line has room for, or something else, ends its session, and only that", async () => {
    await using server = await serve();
    for (const header of [
      { type: "say", seq: 1, text: "x".repeat(4_001) },
      { type: "say", seq: 0, text: "x" },
      { type: "ls", path: "" },
      { type: "chat", name: "again" },
    ]) {
      using peer = await scriptedClient(server.join);
      peer.send({ type: "chat", name: "eva" });
      expect((await peer.until("room")).at(-1)).toMatchObject({ name: "eva", people: [] });
      peer.send(header);
      expect((await peer.until("error")).at(-1)).toMatchObject({ code: "protocol" });
    }
    const ran = await sock(["chat", "--name", "kai"], { env: { SOCK_JOIN: server.join }, stdin: "x\n" });
    expect(ran.status).toBe(0);
  });

  for (const how of ["vanishes", "loses its key"] as const) {
    test(`that ${how} says nothing more, however much it had sent`, async () => {
      await using server = await serve();
      const owner = (...args: string[]) => sock(args, { home: server.home });
      const where = ["--host", `127.0.0.1:${server.port}`];
      const { stdout: join } = await owner("invite", "--direct", "--allow", "chat", "--name", "ci", ...where);
      using ear = await scriptedClient(server.join);
      using mouth = await scriptedClient(join.trim(), "fedcba9876543210".repeat(2));
      ear.send({ type: "chat", name: "ear" });
      expect((await ear.next())?.type).toBe("room");
      mouth.send({ type: "chat", name: "mouth" });
      for (let seq = 1; seq <= 2 * CHAT_BURST; seq++) mouth.send({ type: "say", seq, text: `line ${seq}` });
      await ear.until("said");
      if (how === "vanishes") mouth.channel.connection.terminate();
      else expect((await owner("revoke", "ci")).status).toBe(0);
      const said = (await ear.until("left")).filter(({ type }) => type === "said");
      expect(said.length).toBeLessThan(1.5 * CHAT_BURST);
    });
  }

  test("that never reads is put out before much is kept for it", async () => {
    await using server = await serve();
    using deaf = await scriptedClient(server.join);
    deaf.send({ type: "chat", name: "deaf" });
    await deaf.until("room");
    deaf.channel.connection.pause();
    const talkers = await Promise.all(
      Array.from({ length: 6 }, async (_, at) => scriptedClient(server.join, String(at).repeat(32))),
    );
    const text = "\u4f60".repeat(4_000);
    let people = 0;
    let seq = 0;
    for (const peer of talkers) peer.send({ type: "chat", name: null });
    await until(
      async () => {
        seq += 1;
        for (const peer of talkers) {
          peer.send({ type: "say", seq, text });
          const heard = (await peer.until("heard")).at(-1);
          people = Number(heard?.["people"]);
        }
        return people === talkers.length - 1;
      },
      "the end of the one that is deaf",
      25_000,
    );
    for (const peer of talkers) peer[Symbol.dispose]();
    await until(() => server.stdout().includes("busy"), "a line of the log");
  });
});
