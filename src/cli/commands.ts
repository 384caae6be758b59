/** The commands, in the order of the help. A verb's module is loaded only when it is used: that halves the start. */
import { SockError } from "../errors.ts";
import { nearest } from "../text/suggest.ts";
import { commandHabit } from "./habits.ts";
import type { Verb } from "./verb.ts";

type Load = () => Promise<{ default: Verb }>;

export const COMMANDS: ReadonlyMap<string, Load> = new Map<string, Load>([
  ["serve", () => import("./serve.ts")],
  ["join", () => import("./join.ts")],
  ["put", () => import("./put.ts")],
  ["get", () => import("./get.ts")],
  ["ls", () => import("./ls.ts")],
  ["shell", () => import("./shell.ts")],
  ["echo", () => import("./echo.ts")],
  ["udp", () => import("./udp.ts")],
  ["open", () => import("./open.ts")],
  ["chat", () => import("./chat.ts")],
  ["plain", () => import("./plain.ts")],
  ["invite", () => import("./invite.ts")],
  ["clients", () => import("./clients.ts")],
  ["revoke", () => import("./revoke.ts")],
  ["hosts", () => import("./hosts.ts")],
  ["leave", () => import("./leave.ts")],
  ["help", () => import("./help.ts")],
]);

/** The verb of that name; `usage` with the nearest name where there is none, or with the command that comes behind it. */
export async function findVerb(name: string, next?: string): Promise<Verb> {
  const load = COMMANDS.get(name);
  if (load === undefined) {
    const meant = nearest(name, COMMANDS.keys());
    const near = meant === undefined ? "sock help lists the commands" : `did you mean sock ${meant}?`;
    const late =
      next !== undefined && COMMANDS.has(next) ? `the command comes first: sock ${next} …` : undefined;
    const hint = late ?? commandHabit(name) ?? near;
    throw new SockError("usage", `unknown command ${JSON.stringify(name)}`, hint);
  }
  return (await load()).default;
}
