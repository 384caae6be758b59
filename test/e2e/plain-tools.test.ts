/** The tools that everybody has, against `sock plain`. */
import { expect, test } from "bun:test";
import { anywhere, plain, type Plain } from "../helpers/plain.ts";
import { temporaryFolder } from "../helpers/temp.ts";

interface Tool {
  readonly name: string;
  /** A line for sh; $P is the port, $U the path of a unix socket. */
  readonly line: string;
  readonly needs: string;
  /** Lines that the tool itself prints are not looked at. */
  readonly around?: RegExp;
}

const TCP: readonly Tool[] = [
  { name: "nc -N", needs: "nc", line: "printf hi | nc -N 127.0.0.1 $P" },
  { name: "ncat", needs: "ncat", line: "printf hi | ncat 127.0.0.1 $P" },
  { name: "socat", needs: "socat", line: "printf hi | socat - TCP:127.0.0.1:$P" },
  {
    name: "telnet, typed into",
    needs: "telnet",
    // it leaves at the end of what is typed, whatever is still on its way
    line: "{ printf hi; sleep 1; } | telnet 127.0.0.1 $P 2>/dev/null",
    around: /^[^]*'\^\]'\.\r?\n/,
  },
];
const UNIX: Tool = { name: "nc -U", needs: "nc", line: "printf hi | nc -N -U $U" };
const UDP: readonly Tool[] = [
  { name: "nc -u", needs: "nc", line: "printf hi | nc -u -w1 127.0.0.1 $P" },
  { name: "socat UDP", needs: "socat", line: "printf hi | socat -t1 - UDP:127.0.0.1:$P" },
];
const WORDS = { echo: "hi", upper: "HI" } as const;

async function said({ line, around }: Tool, env: Record<string, string>): Promise<string> {
  const child = Bun.spawn(["sh", "-c", line], { env: { ...process.env, ...env }, stdout: "pipe" });
  const text = await child.stdout.text();
  await child.exited;
  return text.replace(around ?? "", "");
}

function portOf(server: Plain, dialect: string): Record<string, string> {
  return { P: String(server.port(dialect)) };
}

for (const dialect of ["echo", "upper"] as const) {
  for (const tool of TCP) {
    test.skipIf(Bun.which(tool.needs) === null)(`${tool.name} and ${dialect}`, async () => {
      await using server = await plain([anywhere(dialect)]);
      expect(await said(tool, portOf(server, dialect))).toBe(WORDS[dialect]);
    });
  }
  for (const tool of UDP) {
    test.skipIf(Bun.which(tool.needs) === null)(`${tool.name} and ${dialect}`, async () => {
      await using server = await plain([anywhere(dialect, "udp")]);
      expect(await said(tool, portOf(server, dialect))).toBe(WORDS[dialect]);
    });
  }
  test.skipIf(Bun.which(UNIX.needs) === null)(`${UNIX.name} and ${dialect}`, async () => {
    await using folder = await temporaryFolder();
    await using _server = await plain([`${dialect}=unix:${folder.join("s")}`]);
    expect(await said(UNIX, { U: folder.join("s") })).toBe(WORDS[dialect]);
  });
}
