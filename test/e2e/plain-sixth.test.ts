/** Five clients at once and the sixth refused, in every dialect that goes over a stream. */
import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { DIALECTS } from "../../src/plain/dialects.ts";
import { anywhere, naiveClient, plain, PYTHON } from "../helpers/plain.ts";
import { temporaryFolder } from "../helpers/temp.ts";
import { until } from "../helpers/until.ts";

const MOST = 5;
const BUSY = `busy: at most ${MOST} clients at the same time, try again later`;

/** Ten bytes, the first of them no digit: those would stick to a size. */
const CONTENT = "abcdefghij";

interface Row {
  /** What a client says first, and stays. */
  readonly says: string;
  /** What it is answered, or "" where it is nothing. */
  readonly hears: RegExp;
  /** What the sixth can read before its end. */
  readonly refusal: RegExp;
}

const commands = { says: "echo hello", hears: /hello/, refusal: new RegExp(BUSY) };

const TABLE: Record<string, Row> = {
  echo: { says: "hello", hears: /^hello$/, refusal: new RegExp(`^${BUSY}\r\n$`) },
  upper: { says: "hello", hears: /^HELLO$/, refusal: new RegExp(`^${BUSY}\r\n$`) },
  greet: { says: "", hears: /^Thank you for connecting\r\n$/, refusal: new RegExp(`^${BUSY}\r\n$`) },
  exec: commands,
  "exec-length": commands,
  "exec-header": commands,
  "exec-textlen": commands,
  "ftp-gt": { says: "put>NAME>10", hears: /^ok$/, refusal: /^no$/ },
  // nothing is ever said to such a client
  "post-pipe": { says: "post|NAME|10", hears: /^$/, refusal: /^$/ },
  chat: { says: "hello", hears: /^$/, refusal: new RegExp(`^${BUSY}\r\n$`) },
};

interface Client extends Disposable {
  said(): string;
  /** The server sends no more. */
  isOver(): boolean;
  send(text: string): void;
}

async function client(port: number): Promise<Client> {
  let text = "";
  let over = false;
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port,
    // one that was greeted stays
    allowHalfOpen: true,
    socket: {
      data: (_socket, bytes) => void (text += bytes.toString("latin1")),
      end: () => void (over = true),
      close: () => void (over = true),
      error: () => void (over = true),
    },
  });
  return {
    said: () => text,
    isOver: () => over,
    send: (words) => void socket.write(words),
    [Symbol.dispose]: () => socket.terminate(),
  };
}

test("the table has every dialect", () => {
  expect(Object.keys(TABLE)).toEqual([...DIALECTS.keys()]);
});

test.each(Object.entries(TABLE))(
  "%s: the sixth is told so and closed, the five go on, and whoever comes after one of them has a place",
  async (dialect, { says, hears, refusal }) => {
    await using folder = await temporaryFolder();
    const flags = ["--root", folder.path, "--max-clients", String(MOST)];
    await using server = await plain([anywhere(dialect), ...flags], { pipe: true });
    const port = server.port(dialect);
    const names = (): string[] => readdirSync(folder.path).filter((name) => name.startsWith("f"));
    using stack = new DisposableStack();
    const five: Client[] = [];
    const begin = async (at: number): Promise<Client> => {
      const one = stack.use(await client(port));
      if (says !== "") one.send(says.replace("NAME", `f${at}`));
      return one;
    };
    for (let at = 0; at < MOST; at++) five.push(await begin(at));
    await until(() => five.every((one) => hears.test(one.said())), "five answers");
    if (dialect === "chat") await until(() => server.events("heard").length === MOST, "five words");
    const sixth = stack.use(await client(port));
    if (dialect === "exec-textlen") sixth.send(says);
    await until(() => sixth.isOver(), "the sixth one's end");
    expect(sixth.said()).toMatch(refusal);
    await until(() => server.events("refused").length > 0, "the word about it");
    expect(server.events("refused")).toHaveLength(1);
    expect(String(server.events("refused")[0]?.["message"])).toContain(`--max-clients ${MOST}`);
    for (const one of five) {
      if (dialect !== "greet") expect(one.isOver()).toBe(false);
      if (/NAME/.test(says)) one.send(CONTENT);
    }
    if (/NAME/.test(says)) {
      await until(() => names().length === MOST, "five files");
      expect(names().sort()).toEqual(["f0", "f1", "f2", "f3", "f4"]);
    }
    five[0]?.[Symbol.dispose]();
    let next = await begin(MOST);
    await until(async () => {
      if (next.isOver() && dialect !== "greet") next = await begin(MOST);
      if (dialect === "greet" && next.isOver() && !hears.test(next.said())) next = await begin(MOST);
      if (dialect === "chat") return server.events("heard").length > MOST;
      if (dialect === "post-pipe") next.send(CONTENT);
      if (dialect === "post-pipe") return names().includes(`f${MOST}`);
      return next.said() !== "" && hears.test(next.said());
    }, "an answer for the next one");
  },
);

test.skipIf(PYTHON === null).each(["exec", "exec-length", "exec-header", "exec-textlen"])(
  "%s: a naive client can read it (python3)",
  async (dialect) => {
    await using server = await plain([anywhere(dialect), "--max-clients", "1"]);
    using first = await client(server.port(dialect));
    first.send("echo hello");
    await until(() => first.said().includes("hello"), "the first one's answer");
    const said = await naiveClient([dialect, String(server.port(dialect)), "echo never"]);
    expect(said.toString().trim()).toBe("busy: at most 1 client at the same time, try again later");
  },
);
