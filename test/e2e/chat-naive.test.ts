/** `sock chat` with a script of plain Python sockets, which takes turns and reads 1024 bytes: both ways round, UTF-8 and GBK. */
import { resolve } from "node:path";
import { describe, expect, test } from "bun:test";
import { type Child, start } from "../helpers/child.ts";
import { events, resultOf } from "../helpers/run.ts";
import { until } from "../helpers/until.ts";

const HAS_PYTHON = Bun.which("python3") !== null;
if (!HAS_PYTHON) console.warn("tests with naive peers are skipped: no python3 here");
const SCRIPT = resolve(import.meta.dir, "../helpers/naive-chat.py");

interface Naive extends AsyncDisposable {
  said(): string;
  types(line: string): Promise<void>;
}

function naive(...words: string[]): Naive {
  const child = Bun.spawn(["python3", SCRIPT, ...words], {
    stdin: "pipe",
    stdout: "pipe",
    env: { PATH: process.env["PATH"] ?? "", PYTHONUTF8: "1" },
  });
  let text = "";
  const read = async (): Promise<void> => {
    const decoder = new TextDecoder();
    for await (const chunk of child.stdout) text += decoder.decode(chunk, { stream: true });
  };
  const reading = read();
  return {
    said: () => text,
    types: async (line) => {
      await child.stdin.write(`${line}\n`);
      await child.stdin.flush();
    },
    [Symbol.asyncDispose]: async () => {
      child.kill();
      await child.exited;
      await reading;
    },
  };
}

function heard(child: Child): unknown[] {
  const text = child.stdout();
  const all = events(text.slice(0, text.lastIndexOf("\n") + 1));
  return all.filter(({ type }) => type === "said").map((event) => event["text"]);
}

async function types(child: Child, line: string): Promise<void> {
  const { stdin } = child.process;
  if (stdin === undefined || typeof stdin === "number") throw new Error("no pipe");
  await stdin.write(`${line}\n`);
  await stdin.flush();
}

describe.skipIf(!HAS_PYTHON)("a naive script", () => {
  for (const encoding of ["utf-8", "gbk"]) {
    const flags = encoding === "gbk" ? ["--encoding", "gbk"] : [];

    test(`that listens, in ${encoding}`, async () => {
      await using peer = naive("server", encoding);
      const port = await until(() => /^(\d+)\n/.exec(peer.said())?.[1], "its port");
      await using one = await start(["chat", `tcp://127.0.0.1:${port}`, "--json", ...flags], { pipe: true });
      for (const turn of ["你好", "第二句", "third"]) {
        await types(one, turn);
        await until(() => peer.said().includes(`heard ${turn}\n`), "our words there");
        await peer.types(`回答 ${turn}`);
        await until(() => heard(one).includes(`回答 ${turn}`), "the answer here");
      }
      await types(one, "q");
      expect(await one.ended()).toBe(0);
      await until(() => peer.said().endsWith("over\n"), "its end");
      expect(resultOf(one.stdout())).toMatchObject({ dialect: "chat", status: 0 });
    });

    test(`that connects, in ${encoding}, and leaves with q`, async () => {
      await using one = await start(["chat", "--listen", "tcp://127.0.0.1:0", "--json", ...flags], {
        pipe: true,
      });
      const found = await until(() => /"port":(\d+)/.exec(one.stdout())?.[1], "our port");
      await using peer = naive("client", found, encoding);
      await peer.types("世界");
      await until(() => heard(one).includes("世界"), "its words here");
      await types(one, "听到了");
      await until(() => peer.said().includes("heard 听到了\n"), "ours there");
      await peer.types("q");
      await until(() => one.stdout().includes('"left"'), "its end");
      expect(heard(one)).toEqual(["世界"]);
    });
  }
});
