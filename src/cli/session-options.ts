import type { SessionOptions } from "../client/session.ts";
import type { Context } from "./verb.ts";

/** The flags of every client that concern its connection. */
export function sessionOptions(context: Context): SessionOptions {
  return { connectTimeoutMs: context.connectTimeoutMs, readyMs: context.readyMs, signal: context.signal };
}
