/** The room of one server, in which those who chat meet. */
import { SockError } from "../errors.ts";
import type { ChatResponse, Person } from "../protocol/chat-messages.ts";
import {
  MAX_CHAT_NAME,
  MAX_CHAT_PEOPLE,
  MAX_CHAT_PEOPLE_OF_KEY,
  MAX_CHAT_RUNS,
} from "../protocol/constants.ts";
import { escapeForDisplay } from "../text/escape.ts";

export interface Newcomer {
  /** Hash of its key. */
  readonly owner: string;
  /** The key's name. */
  readonly key: string;
  readonly wanted: string | null;
  readonly run: string;
  hear(message: ChatResponse): void;
  /** The server goes. */
  close(): void;
}

export interface Member extends Person {
  readonly from: Newcomer;
}

export class Room {
  readonly #members = new Set<Member>();
  /** Last line of each run: one that is sent again after a break is told once. The oldest are forgotten. */
  readonly #last = new Map<string, number>();

  /** Throws `usage` for a name that can't be shown, `busy` where the room is full. */
  enter(from: Newcomer): Member {
    const name = checkedName(from.wanted ?? from.key);
    const own = [...this.#members].filter((member) => member.from.owner === from.owner);
    if (this.#members.size >= MAX_CHAT_PEOPLE || own.length >= MAX_CHAT_PEOPLE_OF_KEY) {
      throw new SockError("busy", "too many people are in the chat there");
    }
    const member = { name: this.#free(name), key: from.key, from };
    this.#tell({ type: "came", name: member.name, key: member.key });
    this.#members.add(member);
    return member;
  }

  /** Those who are there, but for one. */
  others(self: Member): Person[] {
    return [...this.#members].filter((one) => one !== self).map(({ name, key }) => ({ name, key }));
  }

  /** Tells the others, unless they have heard it. How many there are. */
  say(self: Member, seq: number, text: string): number {
    const run = `${self.from.owner} ${self.from.run}`;
    if (seq > (this.#last.get(run) ?? 0)) {
      this.#last.delete(run);
      this.#last.set(run, seq);
      const [oldest] = this.#last.keys();
      if (this.#last.size > MAX_CHAT_RUNS && oldest !== undefined) this.#last.delete(oldest);
      this.#tell({ type: "said", from: self.name, text }, self);
    }
    return this.#members.size - 1;
  }

  leave(self: Member): void {
    if (this.#members.delete(self)) this.#tell({ type: "left", name: self.name });
  }

  close(): void {
    for (const { from } of this.#members) from.close();
  }

  #tell(message: ChatResponse, but?: Member): void {
    // who is put out for being slow leaves meanwhile
    for (const member of this.#members) if (member !== but) member.from.hear(message);
  }

  #free(name: string): string {
    const taken = new Set([...this.#members].map((member) => seen(member.name)));
    for (let number = 2, free = name; ; number++) {
      if (!taken.has(seen(free))) return free;
      const end = `-${number}`;
      free = cut(name, MAX_CHAT_NAME - end.length) + end;
    }
  }
}

/** What nobody could tell from another's words is no name. */
function checkedName(name: string): string {
  const look = seen(name);
  if (look !== "" && name.trim() === name && !look.includes(":") && escapeForDisplay(name) === name) {
    return cut(name, MAX_CHAT_NAME);
  }
  throw new SockError("usage", "that can't be a name in a chat", "letters and digits: --name NAME");
}

/** What of a name can be seen: two that differ in no more than wide letters, or in what has no width, look the same. */
function seen(name: string): string {
  return name.normalize("NFKC").replace(/[\p{Default_Ignorable_Code_Point}\u2800]/gu, "");
}

function cut(text: string, most: number): string {
  const short = text.slice(0, most);
  return short.isWellFormed() ? short : short.slice(0, -1);
}
