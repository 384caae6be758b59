/** Naive servers, and the client verbs of sock. */
import { describe, expect, test } from "bun:test";
import { naiveServer, PYTHON } from "../helpers/plain.ts";
import { events, sock } from "../helpers/run.ts";

const COMMANDS = Array.from({ length: 10 }, (_, at) => `echo number ${at}; echo ${at}${at}`).join("\n");
const ANSWERS = Array.from({ length: 10 }, (_, at) => `number ${at}\n${at}${at}\n`).join("");
const ALL = ["exec", "exec-length", "exec-header", "exec-textlen"];
const COUNTED = ALL.slice(1);

const url = ({ port }: { port: number }): string => `tcp://127.0.0.1:${port}`;

describe.skipIf(PYTHON === null)("naive servers (python3)", () => {
  test.each(ALL)("%s: 10 commands in a row on one connection", async (dialect) => {
    await using server = await naiveServer([dialect]);
    const ran = await sock(["shell", url(server), "--dialect", dialect], { stdin: COMMANDS });
    expect(ran.stdout).toBe(ANSWERS);
    expect(ran.status).toBe(0);
  });

  test.each(COUNTED)("%s: an answer that comes byte by byte", async (dialect) => {
    await using server = await naiveServer([dialect, "--cut"]);
    const stdin = "echo hello\necho 4567; echo 89\nseq 400\ntrue\necho 5";
    const ran = await sock(["shell", url(server), "--dialect", dialect], { stdin });
    const seq = Array.from({ length: 400 }, (_, at) => `${at + 1}\n`).join("");
    expect(ran.stdout).toBe(`hello\n4567\n89\n${seq}5\n`);
    expect(ran.status).toBe(0);
  });

  test.each(ALL)(
    "%s: GBK becomes text where it is stated, and stays what it is where not",
    async (dialect) => {
      const argv = (server: { port: number }): string[] => ["shell", url(server), "--dialect", dialect];
      await using server = await naiveServer([dialect, "--gbk", "--times", "2"]);
      const decoded = await sock([...argv(server), "--encoding", "gbk", "-c", "echo 你好，世界"]);
      expect(decoded.stdout).toBe("你好，世界\n");
      const raw = await sock([...argv(server), "--json", "-c", "echo 你好"]);
      const output = events(raw.stdout).find((event) => event["type"] === "output");
      expect(Buffer.from(String(output?.["data64"]), "base64")).toEqual(
        Buffer.from([0xc4, 0xe3, 0xba, 0xc3, 10]),
      );
    },
  );

  test("exec-textlen: a length that sticks to its body is told apart, also before digits", async () => {
    await using server = await naiveServer(["exec-textlen", "--glue"]);
    const stdin = "echo 12345\necho word\nprintf 7\nprintf 0\ntrue\nseq 1000 | tr -d '\\n'";
    const ran = await sock(["shell", url(server), "--dialect", "exec-textlen"], { stdin });
    const digits = Array.from({ length: 1000 }, (_, at) => at + 1).join("");
    expect(ran.stdout).toBe(`12345\nword\n70${digits}`);
    expect(ran.status).toBe(0);
  });

  test.each(COUNTED)("%s: an answer that is cut short is no success", async (dialect) => {
    // the naive server dies in the middle of what it has announced
    const announced: Record<string, string> = {
      "exec-length": "\\x64\\0\\0\\0",
      "exec-header": '\\x13\\0\\0\\0{"total_size": 100}',
      "exec-textlen": "100",
    };
    const code = `import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(1); print(s.getsockname()[1], flush=True)
c, _ = s.accept(); c.recv(1024); c.sendall(b'''${announced[dialect]}'''); c.sendall(b"half"); c.close()`;
    const child = Bun.spawn(["python3", "-c", code], { stdout: "pipe", stderr: "ignore" });
    const { value } = await child.stdout.getReader().read();
    const port = Number(new TextDecoder().decode(value));
    const ran = await sock(["shell", `tcp://127.0.0.1:${port}`, "--dialect", dialect, "-c", "x", "--json"]);
    expect(events(ran.stdout).at(-1)).toMatchObject({ code: "cut" });
    expect(ran.status).not.toBe(0);
    await child.exited;
  });

  test.each([
    ["exec-length", "\\xff\\xff\\xff\\xff"],
    ["exec-header", "\\xff\\xff\\xff\\xff"],
    ["exec-header", '\\x1a\\0\\0\\0{"total_size": 2147483648}'],
  ])("%s: a length over 2^31-1 is refused and never wraps", async (dialect, bytes) => {
    const code = `import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(1); print(s.getsockname()[1], flush=True)
c, _ = s.accept(); c.recv(1024); c.sendall(b'''${bytes}'''); c.recv(1)`;
    const child = Bun.spawn(["python3", "-c", code], { stdout: "pipe", stderr: "ignore" });
    const { value } = await child.stdout.getReader().read();
    const port = Number(new TextDecoder().decode(value));
    const ran = await sock(["shell", `tcp://127.0.0.1:${port}`, "--dialect", dialect, "-c", "x", "--json"]);
    expect(["protocol", "too-large"]).toContain(String(events(ran.stdout).at(-1)?.["code"]));
    expect(ran.stderr + ran.stdout).toContain("2^31-1");
    await child.exited;
  });

  test.each([[[]], [["--cut"]]])("echo %p: text, lines, and what is judged", async (how: string[]) => {
    await using server = await naiveServer(["echo", "--times", "3", ...how]);
    expect(await sock(["echo", url(server), "hello", "you"])).toMatchObject({
      stdout: "hello you\n",
      status: 0,
    });
    const lines = await sock(["echo", url(server), "--dialect", "echo"], { stdin: "one\n你好\nthree\n" });
    expect(lines).toMatchObject({ stdout: "one\n你好\nthree\n", status: 0 });
    const wrong = await sock(["echo", url(server), "hello", "--dialect", "upper"]);
    expect(wrong).toMatchObject({ stdout: "hello\n", status: 9 });
  });

  test.each([[[]], [["--cut"]]])("upper %p", async (how: string[]) => {
    await using server = await naiveServer(["upper", ...how]);
    const ran = await sock(["echo", url(server), "--dialect", "upper", "hällo"]);
    expect(ran).toMatchObject({ stdout: "HäLLO\n", status: 0 });
  });

  test.each([[[]], [["--cut"]]])("greet %p: what is said without being asked", async (how: string[]) => {
    await using server = await naiveServer(["greet", ...how]);
    const ran = await sock(["echo", url(server), "--dialect", "greet"]);
    expect(ran).toMatchObject({ stdout: "Thank you for connecting\r\n", status: 0 });
  });

  test("exec: an answer that is cut by the quiet time is shown as far as it came", async () => {
    await using server = await naiveServer(["exec"]);
    const ran = await sock(["shell", url(server), "--quiet-for", "3s", "-c", "echo a; sleep 0.5; echo b"]);
    expect(ran).toMatchObject({ stdout: "a\nb\n", status: 0 });
  });

  test("--trace shows what TCP cut apart", async () => {
    await using server = await naiveServer(["exec-length"]);
    const argv = ["shell", url(server), "--dialect", "exec-length", "--trace", "--json", "-c", "echo hi"];
    const traced = events((await sock(argv)).stdout).filter((event) => event["type"] === "trace");
    const written = traced.filter((event) => event["direction"] === "write").map((event) => event["hex"]);
    const read = traced.filter((event) => event["direction"] === "read").map((event) => event["hex"]);
    expect(written).toEqual([Buffer.from("echo hi").toString("hex")]);
    expect(read.join("")).toBe(`03000000${Buffer.from("hi\n").toString("hex")}`);
  });
});
