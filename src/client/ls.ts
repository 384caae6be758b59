import { type ErrorCode, SockError } from "../errors.ts";
import { compareNames, type Name, sameName, type Segments, wireSegments } from "../files/names.ts";
import { MAX_LISTED } from "../protocol/constants.ts";
import type { Item, ItemKind } from "../protocol/list-messages.ts";
import type { Session } from "./session.ts";

/** What the server says about one name. */
export interface Listed {
  /** Below what was asked for; empty for that itself. */
  readonly path: Segments;
  readonly kind: ItemKind;
  /** Bytes, us since 1970, permission bits; null where the server could not read them. */
  readonly length: number | null;
  readonly mtimeUs: number | null;
  readonly mode: number | null;
  /** Why it, or what is in it, could not be read. */
  readonly error: ErrorCode | undefined;
  /** Of a link, bytes where it is no UTF-8. */
  readonly target: Name | undefined;
}

export interface LsOptions {
  readonly recursive?: boolean | undefined;
  /** Only what the path itself is; a link is not followed. */
  readonly self?: boolean | undefined;
  /** Most names that are taken, the path's own with them. */
  readonly most?: number | undefined;
  /** Called at the end with how many names could not be read, or not be told. */
  readonly onEnd?: ((failed: number) => void) | undefined;
}

/**
 * What is at a path of the server (bytes where it is no UTF-8): first itself, then what is in it, sorted by the bytes of the
 * names, each folder before its own. Nothing else may be asked before its end; whoever stops half way ends the session.
 * Throws the server's refusal, and `protocol` or `too-large` for an answer that is none.
 */
export async function* ls(
  session: Session,
  path: string | Uint8Array,
  options: LsOptions = {},
): AsyncGenerator<Listed, void, void> {
  session.require("ls");
  session.channel.send({
    type: "ls",
    ...(typeof path === "string" ? { path } : { path64: Buffer.from(path).toString("base64") }),
    ...(options.recursive === true ? { recursive: true } : {}),
    ...(options.self === true ? { self: true } : {}),
  });
  const order = new Order(options);
  const most = options.most ?? MAX_LISTED;
  let isOver = false;
  try {
    for (let count = 0; ; count++) {
      const { message } = await session.next().catch((thrown: unknown) => {
        // the server refused, or the connection is gone
        isOver = true;
        throw thrown;
      });
      if (message.type === "result") {
        if (count === 0 || message.files !== count) throw wrong("another number of names than it said");
        isOver = true;
        options.onEnd?.(message.failed);
        return;
      }
      if (message.type !== "item") throw wrong(message.type);
      if (count >= most) throw new SockError("too-large", `more than ${most} names are listed`);
      const item = listed(message);
      order.check(item);
      yield item;
    }
  } catch (thrown) {
    if (!isOver && thrown instanceof SockError) {
      isOver = true;
      session.channel.refuse(thrown);
    }
    throw thrown;
  } finally {
    if (!isOver) session.channel.refuse(new SockError("interrupted", "no more of the list is wanted"));
  }
}

function listed(item: Item): Listed {
  const where = "path" in item ? item.path : Buffer.from(item.path64, "base64");
  return {
    path: where === "." ? [] : segmentsOf(where),
    kind: item.kind,
    length: item.length,
    mtimeUs: item.mtime,
    mode: item.mode,
    error: item.error,
    target: item.target ?? (item.target64 === undefined ? undefined : Buffer.from(item.target64, "base64")),
  };
}

function segmentsOf(path: string | Uint8Array): Segments {
  try {
    // as the strictest reader of paths sees it, but for what only Windows can't have: it is not written there
    return wireSegments(path, "linux");
  } catch (thrown) {
    if (!(thrown instanceof SockError)) throw thrown;
    throw wrong("a name that no folder has");
  }
}

/** The order in which names must come: so none comes twice, and none that nobody asked for. */
class Order {
  readonly #options: LsOptions;
  #last: Segments | undefined;
  /** The folder that was named last: the next name is in it, or in one that holds it. */
  #folder: Segments | undefined;

  constructor(options: LsOptions) {
    this.#options = options;
  }

  check(item: Listed): void {
    const { path, kind } = item;
    if (this.#last === undefined) {
      if (path.length > 0) throw wrong("a name before what was asked for");
    } else {
      const parents = path.slice(0, -1);
      if (path.length > 1 && this.#options.recursive !== true) throw wrong("a name in a folder below");
      if (this.#folder === undefined || !startsWith(this.#folder, parents))
        throw wrong("a name in no folder");
      if (!isAfter(path, this.#last)) throw wrong("names out of order");
    }
    this.#last = path;
    if (kind === "folder" && this.#options.self !== true) this.#folder = path;
  }
}

function startsWith(path: Segments, start: Segments): boolean {
  return start.length <= path.length && start.every((name, index) => sameName(name, path[index] ?? ""));
}

function isAfter(path: Segments, last: Segments): boolean {
  for (const [index, name] of last.entries()) {
    const other = path[index];
    if (other === undefined) return false;
    const order = compareNames(other, name);
    if (order !== 0) return order > 0;
  }
  return path.length > last.length;
}

function wrong(what: string): SockError {
  return new SockError("protocol", `the server listed ${what}`);
}
