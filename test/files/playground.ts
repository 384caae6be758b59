/** A temporary folder with a root to be served, and a victim beside it that must stay as it is. */
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ErrorCode, SockError } from "../../src/errors.ts";
import { Incoming, type IncomingOptions, type Published } from "../../src/files/incoming.ts";
import type { Segments } from "../../src/files/names.ts";
import { Root, type RootOptions } from "../../src/files/root.ts";
import { PARTIAL_FOLDER } from "../../src/protocol/constants.ts";

export const VICTIM = "the victim's own words";

export class Playground {
  readonly base = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), "sock-files-")));
  readonly dir = join(this.base, "root");
  readonly outside = join(this.base, "outside");
  readonly victim = join(this.outside, "victim");
  readonly #roots: Root[] = [];

  constructor() {
    fs.mkdirSync(this.dir);
    fs.mkdirSync(this.outside);
    fs.writeFileSync(this.victim, VICTIM);
  }

  root(options: Partial<RootOptions> = {}): Root {
    const root = Root.open(this.dir, { name: "drop", writable: true, ...options });
    this.#roots.push(root);
    return root;
  }

  path(...names: string[]): string {
    return join(this.dir, ...names);
  }

  /** Files outside the root, with what is in them. */
  outsiders(): Record<string, string> {
    const entries = fs.readdirSync(this.outside, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => !entry.isDirectory());
    return Object.fromEntries(
      files.map((entry) => [entry.name, fs.readFileSync(join(entry.parentPath, entry.name), "utf8")]),
    );
  }

  /** Partial files that are left, and folders of them anywhere but in the root. */
  litter(): string[] {
    return fs
      .readdirSync(this.dir, { recursive: true })
      .map(String)
      .filter((path) => path.includes(PARTIAL_FOLDER) && path !== PARTIAL_FOLDER);
  }

  [Symbol.dispose](): void {
    for (const root of this.#roots) root.close();
    fs.rmSync(this.base, { recursive: true, force: true });
  }
}

export const PLAIN: IncomingOptions = {
  onExists: "replace",
  mode: null,
  mtimeUs: null,
  length: null,
  sync: false,
  verify: false,
};

/** Puts a whole file. */
export async function put(
  root: Root,
  segments: Segments,
  content: string | Uint8Array,
  options: Partial<IncomingOptions> = {},
  digest?: string,
): Promise<Published> {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  const incoming = Incoming.create(root, segments, { ...PLAIN, ...options });
  try {
    await incoming.write(bytes, 0);
    return await incoming.publish({ bytes: bytes.length, ...(digest === undefined ? {} : { digest }) });
  } finally {
    incoming.discard();
  }
}

/** The code that an action fails with; "ok" if it does not. */
export async function outcome(action: () => unknown): Promise<ErrorCode | "ok"> {
  try {
    await action();
    return "ok";
  } catch (thrown) {
    if (thrown instanceof SockError) return thrown.code;
    throw thrown;
  }
}

/** Descriptors that this process has open, without those that come and go by themselves. */
export function openDescriptors(): number {
  return fs.readdirSync("/proc/self/fd").length;
}
