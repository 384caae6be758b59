import { describe, expect, test } from "bun:test";
import { expand } from "../../src/client/expand.ts";
import { ls } from "../../src/client/ls.ts";
import type { Session } from "../../src/client/session.ts";
import { SockError } from "../../src/errors.ts";
import { showPath } from "../../src/files/names.ts";
import type { Header } from "../../src/protocol/frame.ts";
import { parseServerMessage } from "../../src/protocol/messages.ts";
import { rejectionOf } from "../helpers/codes.ts";

const item = (path: string, kind = "file"): Header => ({
  type: "item",
  path,
  kind,
  length: 0,
  mtime: null,
  mode: null,
});

/** A session whose server answers each `ls` with what `answer` makes of it. */
function talk(answer: (request: Header) => Iterable<Header>) {
  const state = { asked: [] as Header[], refused: undefined as SockError | undefined };
  let answers: Iterator<Header> = [][Symbol.iterator]();
  const channel = {
    get failure() {
      return state.refused;
    },
    send: (header: Header) => {
      state.asked.push(header);
      answers = answer(header)[Symbol.iterator]();
    },
    refuse: (error: SockError) => {
      state.refused = error;
    },
  };
  const next = async () => {
    const header = answers.next().value as Header;
    if (header.type === "error") throw new SockError("not-found", "none");
    return { message: parseServerMessage(header), frame: { header, body: undefined } };
  };
  return { session: { channel, next, require: () => undefined } as unknown as Session, state };
}

async function names(list: AsyncIterable<{ path: unknown }>): Promise<unknown[]> {
  const seen: unknown[] = [];
  for await (const { path } of list) seen.push(path);
  return seen;
}

function* endless(): Generator<Header> {
  yield item(".", "folder");
  for (let n = 0; ; n++) yield item(`n${String(n).padStart(9, "0")}`);
}

const none: Header = { type: "error", code: "not-found", message: "" };
const result = (files: number, failed = 0): Header => ({
  type: "result",
  files,
  bytes: 0,
  skipped: 0,
  failed,
});

describe("a listing", () => {
  test("asks once, gives all, and says how many failed", async () => {
    const { session, state } = talk(() => [
      item(".", "folder"),
      item("a", "folder"),
      item("a/b"),
      result(3, 2),
    ]);
    let failed = 0;
    const seen: string[] = [];
    const options = { recursive: true, onEnd: (count: number) => void (failed = count) };
    for await (const { path } of ls(session, Buffer.from([0xff]), options)) seen.push(showPath(path));
    expect(seen).toEqual(["", "a", "a/b"]);
    expect(failed).toBe(2);
    expect(state.asked).toEqual([{ type: "ls", path64: "/w==", recursive: true }]);
    expect(state.refused).toBeUndefined();
  });

  test("without an end is given up at its limit, and the server is told", async () => {
    const { session, state } = talk(endless);
    expect(await rejectionOf(names(ls(session, "", { most: 1000 })))).toBe("too-large");
    expect(state.refused?.code).toBe("too-large");
    const exact = talk(() => [...endless().take(1000), result(1000)]);
    expect(await names(ls(exact.session, "", { most: 1000 }))).toHaveLength(1000);
  });

  test("that nobody reads to its end ends the session; one that was refused does not", async () => {
    const left = talk(endless);
    for await (const { path } of ls(left.session, "")) if (path.length > 0) break;
    expect(left.state.refused?.code).toBe("interrupted");
    const refused = talk(() => [none]);
    expect(await rejectionOf(names(ls(refused.session, "")))).toBe("not-found");
    expect(refused.state.refused).toBeUndefined();
  });
});

describe("a pattern", () => {
  test("asks nothing where there is none", async () => {
    const { session, state } = talk(() => [none]);
    expect(await names(expand(session, "a/b"))).toEqual(["a/b"]);
    expect(state.asked).toEqual([]);
  });

  test("has one limit for all that it looks at", async () => {
    const folders = [item(".", "folder"), item("a", "folder"), item("b", "folder"), result(3)];
    const answer = ({ path, self }: Header): Iterable<Header> =>
      self === true ? [none] : path === "" ? folders : [...endless().take(10), result(10)];
    expect(await names(expand(talk(answer).session, "*/n*", 23))).toHaveLength(18);
    const { session, state } = talk(answer);
    expect(await rejectionOf(names(expand(session, "*/n*", 22)))).toBe("too-large");
    expect(state.refused?.code).toBe("too-large");
  });

  test("means nothing twice", async () => {
    const answer = ({ self }: Header): Iterable<Header> =>
      self === true ? [none] : [item(".", "folder"), item("a.c"), item("b.c"), result(3)];
    expect(await names(expand(talk(answer).session, "{*.c,a*,b.?}"))).toEqual(["a.c", "b.c"]);
  });
});
