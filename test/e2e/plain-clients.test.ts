/** Naive clients of `sock plain`. */
import { describe, expect, test } from "bun:test";
import { until } from "../helpers/until.ts";
import { temporaryFolder } from "../helpers/temp.ts";
import { anywhere, naiveClient, plain, PYTHON } from "../helpers/plain.ts";

const COMMANDS = Array.from({ length: 10 }, (_, at) => `echo number ${at}; echo ${at}${at}`);
const ANSWERS = COMMANDS.map((_, at) => `number ${at}\n${at}${at}\n`).join("");
const ALL_COMMANDS = ["exec", "exec-length", "exec-header", "exec-textlen"];
const COUNTED = ALL_COMMANDS.slice(1);

describe.skipIf(PYTHON === null)("naive clients (python3)", () => {
  test.each(ALL_COMMANDS)("%s: 10 commands in a row on one connection", async (dialect) => {
    await using server = await plain([anywhere(dialect)]);
    const said = await naiveClient([dialect, String(server.port(dialect)), ...COMMANDS]);
    expect(said.toString()).toBe(ANSWERS);
    await until(() => server.events("request").length >= COMMANDS.length, "the log of ten commands");
    expect(server.events("request").map((event) => event["what"])).toEqual(COMMANDS);
  });

  test.each(ALL_COMMANDS)("%s: GBK passes as it is", async (dialect) => {
    await using server = await plain([anywhere(dialect)]);
    const said = await naiveClient([dialect, String(server.port(dialect)), "printf '\\304\\343\\272\\303'"]);
    expect(said).toEqual(Buffer.from([0xc4, 0xe3, 0xba, 0xc3])); // 你好
  });

  test.each(COUNTED)("%s: commands that come byte by byte", async (dialect) => {
    await using server = await plain([anywhere(dialect)]);
    const said = await naiveClient(["--cut", dialect, String(server.port(dialect)), ...COMMANDS.slice(0, 3)]);
    expect(said.toString()).toBe(ANSWERS.slice(0, "number 0\n00\n".length * 3));
  });

  test.each(["exec", "exec-length", "exec-header"])("%s: stdout, then stderr", async (dialect) => {
    await using server = await plain([anywhere(dialect)]);
    const said = await naiveClient([dialect, String(server.port(dialect)), "echo wrong >&2; echo right"]);
    expect(said.toString()).toBe("right\nwrong\n");
  });

  test.each(COUNTED)("%s: no output, and 3 MB of it", async (dialect) => {
    await using server = await plain([anywhere(dialect)]);
    const port = String(server.port(dialect));
    expect(await naiveClient([dialect, port, "true"])).toHaveLength(0);
    const much = await naiveClient([dialect, port, "head -c 3000000 /dev/zero | tr '\\0' x"]);
    expect(much.equals(Buffer.alloc(3_000_000, "x"))).toBe(true);
  });

  test("exec-textlen: stdout alone, also where it begins with digits", async () => {
    await using server = await plain([anywhere("exec-textlen")]);
    const port = String(server.port("exec-textlen"));
    expect((await naiveClient(["exec-textlen", port, "echo 12345; echo no >&2"])).toString()).toBe("12345\n");
  });

  test.each([[[]], [["--cut"]]])("echo and upper %p", async (how: string[]) => {
    await using server = await plain([anywhere("echo"), anywhere("upper")]);
    const words = ["hello", "你好", "x".repeat(5000)];
    const echoed = await naiveClient([...how, "echo", String(server.port("echo")), ...words]);
    expect(echoed.toString()).toBe(words.join(""));
    const raised = await naiveClient([...how, "upper", String(server.port("upper")), ...words]);
    expect(raised.toString()).toBe(words.join("").toUpperCase());
    await until(() => server.events("request").length === 2, "both to be told");
    expect(server.events("request").map(({ what }) => what)).toEqual(["echo", "upper"]);
  });

  test("a unix socket", async () => {
    await using folder = await temporaryFolder();
    const path = folder.join("s");
    await using _server = await plain([`exec-length=unix:${path}`]);
    expect((await naiveClient(["exec-length", path, ...COMMANDS])).toString()).toBe(ANSWERS);
  });

  test("chat: one line each, in turn, and q closes", async () => {
    await using server = await plain([anywhere("chat")], { pipe: true });
    const { stdin } = server.child.process;
    if (typeof stdin !== "object") throw new Error("no stdin");
    const asking = naiveClient(["chat", String(server.port("chat")), "hello", "你好"]);
    for (const [at, heard] of ["hello", "你好"].entries()) {
      await until(() => server.events("heard").length === at + 1, `the word ${heard}`);
      expect(server.events("heard")[at]).toMatchObject({ text: heard });
      void stdin.write(`I heard ${heard}\n`);
      await stdin.flush();
    }
    expect((await asking).toString()).toBe("I heard hello\nI heard 你好\n");
  });

  test("greet says its words and closes, or those of --text", async () => {
    await using server = await plain([anywhere("greet")]);
    const said = await naiveClient(["greet", String(server.port("greet"))]);
    expect(said.toString()).toBe("Thank you for connecting\r\n");
    await using other = await plain([anywhere("greet"), "--text", "Guten Tag"]);
    const words = await naiveClient(["greet", String(other.port("greet"))]);
    expect(words.toString()).toBe("Guten Tag\r\n");
  });
});
