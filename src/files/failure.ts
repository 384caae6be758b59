/** A failed system call in the words and codes of sock. */
import { type ErrorCode, SockError } from "../errors.ts";
import { errnoOf } from "./errno.ts";

const WORDS: Record<string, readonly [ErrorCode, string]> = {
  ENOENT: ["not-found", "no such file or folder"],
  ESTALE: ["not-found", "the folder is gone"],
  ENOTDIR: ["not-folder", "a part of the path is not a folder"],
  EISDIR: ["is-folder", "is a folder"],
  EEXIST: ["exists", "exists already"],
  ENOTEMPTY: ["exists", "the folder is not empty"],
  EACCES: ["permission", "permission denied"],
  EPERM: ["permission", "operation not permitted"],
  EROFS: ["permission", "the file system is read-only"],
  ENOSPC: ["no-space", "no space left"],
  EDQUOT: ["quota", "the disk quota is used up"],
  EFBIG: ["too-large", "too large for the file system"],
  ELOOP: ["outside", "a symbolic link is in the way"],
  ENXIO: ["not-file", "not a regular file"],
  ENAMETOOLONG: ["bad-name", "the name is too long for the file system"],
  EILSEQ: ["bad-name", "the file system cannot hold this name"],
  EMFILE: ["busy", "too many open files"],
  ENFILE: ["busy", "too many open files on this machine"],
};

/** `no such file or folder` for ENOENT; a code that has no words here is its own. */
export function errnoWords(code: string): string {
  return WORDS[code]?.[1] ?? code;
}

/** What a file call threw, as a SockError that names `shown`; a SockError stays itself, anything unknown is `io`. */
export function fsFailure(thrown: unknown, shown: string): SockError {
  if (thrown instanceof SockError) return thrown;
  const code = errnoOf(thrown);
  const [sockCode, words] = (code === undefined ? undefined : WORDS[code]) ?? ["io", code ?? String(thrown)];
  return new SockError(sockCode, `${shown}: ${words}`, undefined, { cause: thrown });
}
