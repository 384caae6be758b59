/**
 * Every way in which sock fails: a stable code, the exit status that it means, and one class that carries it.
 * Codes travel on the wire and in `--json`; tests and scripts compare them, never the words.
 */

/** Exit statuses, a contract with scripts: a number never changes its meaning. */
export const STATUS = {
  done: 0,
  failed: 1,
  usage: 2,
  threshold: 3,
  denied: 4,
  notThatServer: 5,
  unreachable: 6,
  notFound: 7,
  noSpace: 8,
  differs: 9,
  someFailed: 10,
  untrusted: 11,
  exists: 12,
  interrupted: 130,
  terminated: 143,
} as const;

export type ExitStatus = (typeof STATUS)[keyof typeof STATUS];

/** Error code to exit status; the one table of both. */
export const CODES = {
  // our own side
  failed: STATUS.failed,
  io: STATUS.failed,
  internal: STATUS.failed,
  state: STATUS.failed,
  "port-in-use": STATUS.failed,
  usage: STATUS.usage,
  threshold: STATUS.threshold,
  "some-failed": STATUS.someFailed,
  "not-trusted": STATUS.untrusted,
  interrupted: STATUS.interrupted,
  terminated: STATUS.terminated,
  // keys and what they allow
  "no-code": STATUS.denied,
  unknown: STATUS.denied,
  expired: STATUS.denied,
  revoked: STATUS.denied,
  "used-up": STATUS.denied,
  "wrong-address": STATUS.denied,
  capability: STATUS.denied,
  policy: STATUS.denied,
  "read-only": STATUS.denied,
  outside: STATUS.denied,
  "bad-name": STATUS.denied,
  // the other end
  "wrong-server": STATUS.notThatServer,
  "not-sock": STATUS.notThatServer,
  version: STATUS.notThatServer,
  protocol: STATUS.failed,
  refused: STATUS.unreachable,
  unreachable: STATUS.unreachable,
  silent: STATUS.unreachable,
  lost: STATUS.unreachable,
  timeout: STATUS.unreachable,
  busy: STATUS.unreachable,
  draining: STATUS.unreachable,
  // files
  "not-found": STATUS.notFound,
  "is-folder": STATUS.failed,
  "not-folder": STATUS.failed,
  "not-file": STATUS.failed,
  permission: STATUS.failed,
  changed: STATUS.failed,
  cut: STATUS.failed,
  "no-space": STATUS.noSpace,
  quota: STATUS.noSpace,
  "too-large": STATUS.noSpace,
  differs: STATUS.differs,
  exists: STATUS.exists,
} as const satisfies Record<string, ExitStatus>;

export type ErrorCode = keyof typeof CODES;

export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(CODES, text);
}

/** A failure with its code, one line for the user, and where it helps, what to do next. */
export class SockError extends Error {
  override readonly name = "SockError";
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, hint?: string, options?: ErrorOptions) {
    // half a character would be no JSON, and names that are not UTF-8 have such
    super(message.toWellFormed(), options);
    this.code = code;
    this.hint = hint;
  }

  get status(): ExitStatus {
    return CODES[this.code];
  }
}

/** Any thrown value as a SockError; what is not one is `internal`, with its own words kept. */
export function asSockError(thrown: unknown): SockError {
  if (thrown instanceof SockError) return thrown;
  if (thrown instanceof Error) return new SockError("internal", thrown.message, undefined, { cause: thrown });
  return new SockError("internal", String(thrown));
}
