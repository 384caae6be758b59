/** A terminal with a screen that can be read: tmux, with a server of its own. */
import { SOCK } from "./run.ts";
import { temporaryFolder } from "./temp.ts";
import { until } from "./until.ts";

export const HAS_TMUX = Bun.which("tmux") !== null;

export interface Screen extends AsyncDisposable {
  /** Types text as it is. */
  type(text: string): Promise<void>;
  /** tmux's names of keys: Enter, C-c, C-z, Escape. */
  key(...names: string[]): Promise<void>;
  /** What is on it, line by line, without blanks at the ends. */
  lines(): Promise<string[]>;
  text(): Promise<string>;
  /** Waits until it shows that. */
  shows(wanted: string | RegExp, deadlineMs?: number): Promise<string>;
  resize(cols: number, rows: number): Promise<void>;
  /** Types a line and Enter. */
  enter(line: string): Promise<void>;
  /** From now on keeps all that is written to it; what comes back reads that. */
  record(): Promise<() => Promise<string>>;
  /** Pastes so many bytes, lines of them; the terminal takes them as fast as it can. */
  paste(bytes: number): Promise<void>;
}

/** 80 x 24, with sh in it; `sock` is the executable under test there. */
export async function screen(env: Record<string, string>): Promise<Screen> {
  const folder = await temporaryFolder();
  const socket = folder.join("tmux");
  const tmux = async (...args: string[]): Promise<string> => {
    const child = Bun.spawn(["tmux", "-f", "/dev/null", "-S", socket, ...args], {
      stdout: "pipe",
      stderr: "pipe",
      env: { PATH: process.env["PATH"] ?? "", HOME: folder.path, LC_ALL: "C.UTF-8", TERM: "xterm-256color" },
    });
    const [out, err, status] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    if (status !== 0) throw new Error(`tmux ${args.join(" ")}: ${err}`);
    return out;
  };
  const variables = { SOCK_HOME: folder.join("sock"), PS1: "here> ", SOCK_BIN: SOCK, ...env };
  const pairs = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
  await tmux(
    "new-session",
    "-d",
    "-x",
    "80",
    "-y",
    "24",
    "env",
    ...pairs,
    "sh",
    "-c",
    'sock() { "$SOCK_BIN" "$@"; }; exec sh -i',
  );
  const self: Screen = {
    type: async (text) => void (await tmux("send-keys", "-l", "--", text)),
    key: async (...names) => void (await tmux("send-keys", ...names)),
    text: async () => tmux("capture-pane", "-p"),
    lines: async () => (await self.text()).split("\n").map((line) => line.trimEnd()),
    shows: async (wanted, deadlineMs) => {
      let last = "";
      const found = async (): Promise<boolean> => {
        last = await self.text();
        return typeof wanted === "string" ? last.includes(wanted) : wanted.test(last);
      };
      try {
        await until(found, String(wanted), deadlineMs);
      } catch {
        throw new Error(`the screen never showed ${wanted}, but\n${last}`);
      }
      return last;
    },
    resize: async (cols, rows) => void (await tmux("resize-window", "-x", String(cols), "-y", String(rows))),
    enter: async (line) => {
      await self.type(line);
      await self.key("Enter");
    },
    record: async () => {
      const path = folder.join("recorded");
      await Bun.write(path, "");
      await tmux("pipe-pane", `cat >> '${path}'`);
      return async () => Bun.file(path).text();
    },
    paste: async (bytes) => {
      const file = folder.join("paste");
      await Bun.write(file, `${"x".repeat(63)}\n`.repeat(Math.ceil(bytes / 64)));
      await tmux("load-buffer", file);
      await tmux("paste-buffer");
    },
    [Symbol.asyncDispose]: async () => {
      await tmux("kill-server").catch(() => "");
      await folder[Symbol.asyncDispose]();
    },
  };
  try {
    await self.shows("here>");
    return self;
  } catch (error) {
    await self[Symbol.asyncDispose]();
    throw error;
  }
}
