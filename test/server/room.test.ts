import { describe, expect, test } from "bun:test";
import { SockError } from "../../src/errors.ts";
import {
  MAX_CHAT_NAME,
  MAX_CHAT_PEOPLE,
  MAX_CHAT_PEOPLE_OF_KEY,
  MAX_CHAT_RUNS,
} from "../../src/protocol/constants.ts";
import { type Member, Room } from "../../src/server/room.ts";

interface Guest {
  readonly member: Member;
  readonly heard: string[];
}

function guest(room: Room, wanted: string | null, owner: string, run = "1"): Guest {
  const heard: string[] = [];
  const member = room.enter({
    owner,
    key: `key-${owner}`,
    wanted,
    run,
    hear: (message) => {
      heard.push(
        "text" in message ? `${message.from}: ${message.text}` : `${message.type} ${nameIn(message)}`,
      );
    },
    close: () => heard.push("closed"),
  });
  return { member, heard };
}

function nameIn(message: object): string {
  return "name" in message ? String(message.name) : "";
}

function codeOf(action: () => unknown): string | undefined {
  try {
    action();
  } catch (thrown) {
    return thrown instanceof SockError ? thrown.code : String(thrown);
  }
  return undefined;
}

describe("a room", () => {
  test("tells the others, and nobody of himself", () => {
    const room = new Room();
    const a = guest(room, "a", "1");
    const b = guest(room, "b", "2");
    expect(room.others(b.member)).toEqual([{ name: "a", key: "key-1" }]);
    expect(room.say(b.member, 1, "x")).toBe(1);
    room.leave(b.member);
    room.leave(b.member);
    expect(a.heard).toEqual(["came b", "b: x", "left b"]);
    expect(b.heard).toEqual([]);
    expect(room.say(a.member, 1, "alone")).toBe(0);
    room.close();
    expect([a.heard.at(-1), b.heard]).toEqual(["closed", []]);
  });

  test("names: the key's where none is wanted, none twice, cut with their number, free again", () => {
    const room = new Room();
    expect(guest(room, null, "1").member.name).toBe("key-1");
    const long = "n".repeat(MAX_CHAT_NAME);
    const first = guest(room, long, "2");
    const second = guest(room, long, "3");
    expect([first.member.name, second.member.name]).toEqual([long, `${"n".repeat(MAX_CHAT_NAME - 2)}-2`]);
    room.leave(first.member);
    expect(guest(room, long, "4").member.name).toBe(long);
    for (const name of ["", " a", "a ", "a:b", "a\nb", "\u202ea", "\x1b[2J"]) {
      expect([name, codeOf(() => guest(room, name, "5"))]).toEqual([name, "usage"]);
    }
    for (const name of ["\u200b", "\u3164", "a：b"]) {
      expect([name, codeOf(() => guest(room, name, "5"))]).toEqual([name, "usage"]);
    }
    expect(guest(room, "小明 the 2nd", "5").member.name).toBe("小明 the 2nd");
  });

  test("one whose name looks like another's gets a number, too", () => {
    const room = new Room();
    const names = ["alice", "alice\u200b", "a\u00adlice", "ａlice", "Alice", "👩‍👧", "❤️"];
    const given = names.map((name, at) => guest(room, name, String(at)).member.name);
    expect(given).toEqual(["alice", "alice\u200b-2", "a\u00adlice-3", "ａlice-4", "Alice", "👩‍👧", "❤️"]);
  });

  test("takes so many people, and so many of one key", () => {
    const room = new Room();
    const own = Array.from({ length: MAX_CHAT_PEOPLE_OF_KEY }, (_, at) => guest(room, `own${at}`, "1"));
    expect(codeOf(() => guest(room, "more", "1"))).toBe("busy");
    for (let at = own.length; at < MAX_CHAT_PEOPLE; at++) guest(room, `p${at}`, `k${at}`);
    expect(codeOf(() => guest(room, "more", "other"))).toBe("busy");
    const [first] = own;
    if (first !== undefined) room.leave(first.member);
    expect(codeOf(() => guest(room, "more", "other"))).toBeUndefined();
  });

  test("a line that comes again is told once, for the runs that are remembered", () => {
    const room = new Room();
    const a = guest(room, "a", "1");
    const b = guest(room, "b", "2");
    for (const seq of [1, 1, 2, 1, 3]) expect(room.say(b.member, seq, String(seq))).toBe(1);
    expect(a.heard.slice(1)).toEqual(["b: 1", "b: 2", "b: 3"]);
    room.leave(b.member);
    const again = guest(room, "b", "2");
    room.say(again.member, 3, "3");
    // another run, and another key with the same run, count for themselves
    const other = guest(room, "c", "2", "9");
    room.say(other.member, 1, "other run");
    const third = guest(room, "d", "3");
    room.say(third.member, 1, "other key");
    expect(a.heard.filter((text) => text.includes(": "))).toEqual([
      "b: 1",
      "b: 2",
      "b: 3",
      "c: other run",
      "d: other key",
    ]);
    for (let at = 0; at < MAX_CHAT_RUNS; at++) {
      const passing = guest(room, "p", "p", `run${at}`);
      room.say(passing.member, 1, "");
      room.leave(passing.member);
    }
    room.say(again.member, 3, "forgotten");
    expect(a.heard.at(-1)).toBe("b: forgotten");
  });
});
