/** The variables that a client asks for, measured before they are sent. */
import { SockError } from "../errors.ts";
import { MAX_ENV, MAX_ENV_TEXT, MAX_HEADER_BYTES } from "../protocol/constants.ts";

/** What a header has beside the variables, a path above all, bytes. */
const MAX_HEADER_REST = 8 * 1024;

/** What the server would not take. Throws `usage`. */
export function checkEnvironment(env: Readonly<Record<string, string>>): void {
  const pairs = Object.entries(env);
  const bytes = new TextEncoder().encode(JSON.stringify(env)).length;
  if (pairs.length > MAX_ENV || bytes > MAX_HEADER_BYTES - MAX_HEADER_REST) {
    throw new SockError("usage", `the variables are more than ${MAX_ENV}, or longer than 56 KiB in all`);
  }
  for (const [name, value] of pairs) {
    if (value.length > MAX_ENV_TEXT || value.includes("\0") || !value.isWellFormed()) {
      throw new SockError("usage", `--env ${name}: longer than ${MAX_ENV_TEXT} characters, or no valid text`);
    }
  }
}
