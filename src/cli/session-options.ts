import type { SessionOptions } from "../client/session.ts";
import { type Connections, eachItsOwn } from "../client/connections.ts";
import type { Context } from "./verb.ts";

/** The flags of every client that concern its connection. */
export function sessionOptions(context: Context): SessionOptions {
  return { connectTimeoutMs: context.connectTimeoutMs, readyMs: context.readyMs, signal: context.signal };
}

/** What a command has that runs by itself: a connection for each request. */
export function ownConnections(context: Context): Connections {
  return eachItsOwn(sessionOptions(context));
}
