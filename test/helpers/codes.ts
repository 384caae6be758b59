import { SockError, type ErrorCode } from "../../src/errors.ts";

/** The code of the SockError that `work` throws, or undefined when it throws nothing. */
export function codeOf(work: () => unknown): ErrorCode | undefined {
  return errorOf(work)?.code;
}

/** The SockError that `work` throws. Another error passes through. */
export function errorOf(work: () => unknown): SockError | undefined {
  try {
    work();
  } catch (thrown) {
    if (thrown instanceof SockError) return thrown;
    throw thrown;
  }
  return undefined;
}

/** The code with which a promise is rejected. */
export async function rejectionOf(work: Promise<unknown>): Promise<ErrorCode | undefined> {
  try {
    await work;
  } catch (thrown) {
    if (thrown instanceof SockError) return thrown.code;
    throw thrown;
  }
  return undefined;
}
