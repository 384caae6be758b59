/** Messages of the chat: one room at each server, in which everybody hears what the others say. */
import { CHAT_BURST, MAX_CHAT_NAME, MAX_CHAT_PEOPLE, MAX_CHAT_TEXT, MAX_WORD } from "./constants.ts";
import { int, nullable, type Readers, str, wrong } from "./fields.ts";
import type { Header } from "./json.ts";

/** Somebody in the room: what they want to be called, and the name of their key, which the owner gave. */
export type Person = { readonly name: string; readonly key: string };

/** Client: enters the room by this name, or by its key's. */
export type EnterChat = { readonly type: "chat"; readonly name: string | null };
/** Client: says something; its own count, from 1 on, goes on over all connections of the run. */
export type Say = { readonly type: "say"; readonly seq: number; readonly text: string };
/** Server: in; the name that it got there, which is no other's, and who else is there. */
export type EnteredRoom = {
  readonly type: "room";
  readonly name: string;
  readonly people: readonly Person[];
};
/** Server: somebody else said something. */
export type Said = { readonly type: "said"; readonly from: string; readonly text: string };
/** Server: so many others were told what the client said. */
export type Heard = { readonly type: "heard"; readonly seq: number; readonly people: number };
/** Server: somebody came. */
export type Came = { readonly type: "came" } & Person;
/** Server: somebody left; with the client's own name: the answer to its `finish`. */
export type Left = { readonly type: "left"; readonly name: string };

export type ChatRequest = EnterChat | Say;
export type ChatResponse = EnteredRoom | Said | Heard | Came | Left;

/** Lines that a client may have on their way without an answer. */
export const MAX_UNHEARD = CHAT_BURST;

const name = (h: Header, key = "name"): string => {
  const found = str(h, key, MAX_CHAT_NAME);
  if (found === "") throw wrong(key);
  return found;
};

function people(h: Header): readonly Person[] {
  const list = h["people"];
  if (!Array.isArray(list) || list.length > MAX_CHAT_PEOPLE) throw wrong("people");
  return list.map((one: unknown) => {
    if (typeof one !== "object" || one === null || !("name" in one) || !("key" in one)) throw wrong("people");
    const { name: called, key } = one;
    if (typeof called !== "string" || called.length > MAX_CHAT_NAME) throw wrong("people");
    if (typeof key !== "string" || key.length > MAX_WORD) throw wrong("people");
    return { name: called, key };
  });
}

export const chatRequestReaders: Readers<ChatRequest> = {
  chat: (h) => ({ type: "chat", name: nullable(h, "name", (f, key) => str(f, key, MAX_CHAT_NAME)) }),
  say: (h) => ({ type: "say", seq: int(h, "seq", 1), text: str(h, "text", MAX_CHAT_TEXT) }),
};

export const chatResponseReaders: Readers<ChatResponse> = {
  room: (h) => ({ type: "room", name: name(h), people: people(h) }),
  said: (h) => ({ type: "said", from: name(h, "from"), text: str(h, "text", MAX_CHAT_TEXT) }),
  heard: (h) => ({ type: "heard", seq: int(h, "seq", 1), people: int(h, "people", 0, MAX_CHAT_PEOPLE) }),
  came: (h) => ({ type: "came", name: name(h), key: str(h, "key", MAX_WORD) }),
  left: (h) => ({ type: "left", name: name(h) }),
};
