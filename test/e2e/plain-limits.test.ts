/** How many clients `sock plain` takes, whose, and what becomes of those that vanish. */
import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { start } from "../helpers/child.ts";
import { anywhere, plain } from "../helpers/plain.ts";
import { sock, events } from "../helpers/run.ts";
import { openDescriptors, processesWith, residentMiB, sleepWord } from "../helpers/shell.ts";
import { temporaryFolder } from "../helpers/temp.ts";
import { until } from "../helpers/until.ts";

interface Client extends Disposable {
  said(): string;
  isClosed(): boolean;
  send(text: string): void;
  /** Sends a reset. */
  vanish(): void;
}

async function client(port: number): Promise<Client> {
  let text = "";
  let closed = false;
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: {
      data: (_socket, bytes) => void (text += bytes.toString()),
      close: () => void (closed = true),
    },
  });
  return {
    said: () => text,
    isClosed: () => closed,
    send: (words) => void socket.write(words),
    vanish: () => socket.terminate(),
    [Symbol.dispose]: () => socket.terminate(),
  };
}

test("five clients at once, the sixth is told so and closed, and the next one after them has a place", async () => {
  await using server = await plain([anywhere("echo"), "--max-clients", "5"]);
  const port = server.port("echo");
  const five = await Promise.all([1, 2, 3, 4, 5].map(() => client(port)));
  for (const [at, one] of five.entries()) one.send(`I am ${at}`);
  await until(() => five.every((one, at) => one.said() === `I am ${at}`), "five answers");
  using sixth = await client(port);
  await until(() => sixth.isClosed(), "the sixth to be closed");
  expect(sixth.said()).toBe("busy: at most 5 clients at the same time, try again later\r\n");
  five[0]?.vanish();
  await until(() => server.events("request").length === 1, "a free place");
  using next = await client(port);
  next.send("hello");
  await until(() => next.said() === "hello", "an answer for the next one");
  for (const one of five) one[Symbol.dispose]();
});

test.each(["exec-length", "exec-header", "exec-textlen"])(
  "%s: the one that is turned away can read it",
  async (dialect) => {
    await using server = await plain([anywhere(dialect), "--max-clients", "1"]);
    using first = await client(server.port(dialect));
    first.send("true");
    await until(() => server.events("request").length === 1, "the first one's place");
    const ran = await sock([
      "shell",
      `tcp://127.0.0.1:${server.port(dialect)}`,
      "--dialect",
      dialect,
      "-c",
      "echo never",
    ]);
    expect(ran.stdout).toStartWith("busy: at most 1 client");
  },
);

test("--when-full wait: the sixth waits for its turn", async () => {
  await using server = await plain([anywhere("echo"), "--max-clients", "1", "--when-full", "wait"]);
  using first = await client(server.port("echo"));
  first.send("a");
  await until(() => first.said() === "a", "the first one's answer");
  using second = await client(server.port("echo"));
  using third = await client(server.port("echo"));
  second.send("b");
  third.send("c");
  second.vanish(); // whoever has gone while it waited takes no place
  first.vanish();
  await until(() => third.said() === "c", "the third one's answer");
  expect(second.said()).toBe("");
});

test("a client that vanishes ends its command, and leaves no descriptor", async () => {
  await using server = await plain([anywhere("exec-length")]);
  const port = server.port("exec-length");
  const word = sleepWord();
  const before = openDescriptors(server.child.process.pid);
  for (let count = 0; count < 3; count++) {
    using one = await client(port);
    one.send(`sleep ${word}`);
    await until(() => processesWith(word).length > 0, "the command");
    one.vanish();
    await until(() => processesWith(word).length === 0, "the command's end");
  }
  await until(() => openDescriptors(server.child.process.pid) <= before + 1, "descriptors to be closed");
});

test("a command that never stops writing is ended, its client is told, and memory stays flat", async () => {
  await using server = await plain([anywhere("exec-length"), anywhere("exec")]);
  const { pid } = server.child.process;
  let most = 0;
  const watch = setInterval(() => (most = Math.max(most, residentMiB(pid))), 20);
  const url = `tcp://127.0.0.1:${server.port("exec-length")}`;
  const word = sleepWord();
  const argv = ["shell", url, "--dialect", "exec-length", "-c", `yes 0123456789-${word}`];
  const runs = await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map(async () => sock(argv)));
  clearInterval(watch);
  for (const { stdout } of runs) expect(stdout).toContain("more than there is room for");
  await until(() => processesWith(`-${word}`).length === 0, "the commands' end");
  expect(most).toBeLessThan(600);
}, 60_000);

test("a client that sends and never reads is read no further; memory stays flat", async () => {
  await using server = await plain([anywhere("echo")]);
  const { pid } = server.child.process;
  const block = new Uint8Array(1024 * 1024);
  let sent = 0;
  let full = 0;
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port: server.port("echo"),
    socket: {
      data: () => undefined,
      drain: () => undefined,
      open: (opened) => opened.pause(),
    },
  });
  // 200 tries in a row that the kernel takes nothing: nobody reads there any more
  await until(() => {
    const count = socket.write(block);
    sent += count;
    full = count > 0 ? 0 : full + 1;
    return full > 200 || sent > 500 * block.length;
  }, "the server to stop reading");
  expect(sent).toBeLessThan(100 * block.length);
  expect(residentMiB(pid)).toBeLessThan(250);
  socket.terminate();
});

test("the state folder is out of reach, also below the root", async () => {
  await using folder = await temporaryFolder();
  mkdirSync(folder.join("sock"));
  writeFileSync(folder.join("sock", "secret"), "secret");
  writeFileSync(folder.join("open"), "open");
  // SOCK_HOME is the folder sock of the home
  await using server = await plain([anywhere("ftp-gt"), "--root", folder.path], { home: folder.path });
  const url = `tcp://127.0.0.1:${server.port("ftp-gt")}`;
  expect((await sock(["get", `${url}/sock/secret`, "-"])).status).toBe(7);
  expect(await sock(["get", `${url}/open`, "-"])).toMatchObject({ stdout: "open", status: 0 });
});

test("the address can be taken again at once, with connections of before still about", async () => {
  let port = 0;
  {
    await using server = await plain([anywhere("greet")]);
    port = server.port("greet");
    // the server closes first, so that its end is the one in TIME_WAIT
    using one = await client(port);
    await until(() => one.isClosed(), "the greeting's end");
  }
  await using again = await plain([`greet=tcp://127.0.0.1:${port}`]);
  using one = await client(port);
  await until(() => one.said() !== "", "the greeting");
  expect(again.port("greet")).toBe(port);
});

test("a unix socket is taken again after kill -9, and is gone after an end in peace", async () => {
  await using folder = await temporaryFolder();
  const path = folder.join("s");
  {
    await using server = await plain([`echo=unix:${path}`]);
    server.child.process.kill("SIGKILL");
    await server.child.process.exited;
  }
  expect(existsSync(path)).toBe(true);
  await using server = await plain([`echo=unix:${path}`]);
  expect(await sock(["echo", `unix:${path}`, "hi", "--dialect", "echo"])).toMatchObject({
    stdout: "hi\n",
    status: 0,
  });
  server.child.process.kill("SIGTERM");
  expect(await server.child.process.exited).toBe(0);
  expect(existsSync(path)).toBe(false);
});

test.each(["exec", "exec-length", "exec-header", "exec-textlen", "ftp-gt", "post-pipe"])(
  "%s is not open to others without --allow-from",
  async (dialect) => {
    await using folder = await temporaryFolder();
    const ran = await sock(["plain", `${dialect}=tcp://0.0.0.0:0`, "--root", folder.path, "--json"]);
    expect(ran.status).toBe(4);
    expect(events(ran.stdout).map((event) => event["type"])).toEqual(["result"]);
  },
);

test("--allow-from answers whom it names, and says at the start what is open", async () => {
  await using server = await plain(["exec-length=tcp://0.0.0.0:0", "--allow-from", "127.0.0.0/8"]);
  const url = `tcp://127.0.0.1:${server.port("exec-length")}`;
  expect(await sock(["shell", url, "--dialect", "exec-length", "-c", "echo in"])).toMatchObject({
    stdout: "in\n",
  });
  const open = "open to 127.0.0.0/8: exec-length at tcp://0.0.0.0:";
  await until(() => server.child.stderr().includes(open), "a word about what is open");
  await using other = await plain(["exec-length=tcp://0.0.0.0:0", "--allow-from", "10.9.8.7"]);
  // the reset may come before this side knows that it is connected
  using one = await client(other.port("exec-length")).catch(() => undefined);
  await until(() => one?.isClosed() !== false, "a stranger to be closed");
  await until(() => other.events("refused").length === 1, "it to be told");
  expect(one?.said() ?? "").toBe("");
});

test("for people each line begins with the time, also of who is refused", async () => {
  await using folder = await temporaryFolder();
  await using server = await start(["plain", `post-pipe=unix:${folder.join("s")}`, "--root", folder.path]);
  await until(() => server.stderr().includes("post-pipe"), "it to listen");
  using peer = await Bun.connect({ unix: folder.join("s"), socket: { data: () => undefined } });
  peer.end("garbage");
  await until(() => server.stderr().includes("refused"), "a word about it");
  expect(server.stderr()).toMatch(/^\d\d:\d\d:\d\d {2}unix#1 {2}refused {2}the peer begins with "garbage"/m);
});

/** Ports of a process's sockets that wait for somebody, by proc_net_tcp(5). */
function listening(pid: number, kind: "tcp" | "udp"): number[] {
  const own = readdirSync(`/proc/${pid}/fd`).map((fd) => linkOf(`/proc/${pid}/fd/${fd}`));
  const rows = ["", "6"].flatMap((family) =>
    readFileSync(`/proc/${pid}/net/${kind}${family}`, "utf8").split("\n"),
  );
  return rows
    .map((row) => row.trim().split(/\s+/))
    .filter(
      ([, , , state, , , , , , inode]) => own.includes(`socket:[${inode}]`) && /^(0A|07)$/.test(state ?? ""),
    )
    .map(([, local = ""]) => Number.parseInt(local.split(":").at(-1) ?? "", 16));
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return ""; // closed meanwhile
  }
}

test.skipIf(process.geteuid?.() !== 0)("as root it says who can run commands here", async () => {
  await using server = await plain([anywhere("exec"), anywhere("echo")]);
  await until(() => server.child.stderr().includes("commands run as root"), "the warning");
  await using other = await plain([anywhere("echo")]);
  expect(other.child.stderr()).toBe("");
});

test("it opens what it is told, and nothing else", async () => {
  await using folder = await temporaryFolder();
  await using server = await plain([anywhere("echo"), anywhere("upper", "udp")], { home: folder.path });
  expect(readdirSync(folder.path)).toEqual([]);
  const { pid } = server.child.process;
  const [tcp, udp] = [listening(pid, "tcp"), listening(pid, "udp")];
  expect({ tcp, udp }).toEqual({ tcp: [server.port("echo")], udp: [server.port("upper")] });
});

test.each([
  [["nonsense=tcp://127.0.0.1:0"], "usage"],
  [["echo"], "usage"],
  [["echo=tcp://127.0.0.1"], "usage"],
  [["exec=udp://127.0.0.1:0"], "usage"],
  [["ftp-gt=tcp://127.0.0.1:0"], "usage"],
  [[], "usage"],
])("%p: %s", async (words, code) => {
  const ran = await sock(["plain", ...words, "--json"]);
  expect(events(ran.stdout).at(-1)).toMatchObject({ code, status: 2 });
});

test("chat: what is typed here goes to everybody, what comes is shown, q leaves", async () => {
  await using server = await plain([anywhere("chat")], { pipe: true });
  using one = await client(server.port("chat"));
  using two = await client(server.port("chat"));
  one.send("hello");
  await until(() => server.events("heard").length === 1, "what was said");
  expect(server.events("heard")[0]).toMatchObject({ text: "hello" });
  two.send("here too");
  await until(() => server.events("heard").length === 2, "the other one");
  const { stdin } = server.child.process;
  if (typeof stdin !== "object" || stdin === null || !("write" in stdin)) throw new Error("no stdin");
  void stdin.write("你好\n");
  await stdin.flush();
  await until(() => one.said() === "你好" && two.said() === "你好", "the answer at both");
  one.send("q");
  await until(() => one.isClosed(), "its end");
  expect(two.isClosed()).toBe(false);
});

test("a client whose cable was pulled is asked for now and then, and does not keep its place", async () => {
  await using server = await plain([anywhere("echo")]);
  const port = server.port("echo");
  using one = await client(port);
  one.send("a");
  await until(() => one.said() === "a", "the answer");
  // the server's end: state 01 is established, timer 02 the one of keep-alive
  const ours = `0100007F:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const timer = (): string | undefined => {
    const lines = readFileSync("/proc/net/tcp", "utf8").split("\n");
    const fields = lines.map((line) => line.trim().split(/\s+/));
    return fields.find(([, local, , state]) => local === ours && state === "01")?.[5]?.slice(0, 2);
  };
  await until(() => timer() === "02", "the timer of keep-alive");
});
