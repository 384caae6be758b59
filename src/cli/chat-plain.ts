import { SockError } from "../errors.ts";
import type { TextGiven } from "./text-options.ts";
import type { Context } from "./verb.ts";

export interface PlainChatGiven extends TextGiven {
  readonly host: string | undefined;
  readonly listen: string | undefined;
}

export async function plainChat(_context: Context, _given: PlainChatGiven): Promise<void> {
  throw new SockError("usage", "not yet");
}
