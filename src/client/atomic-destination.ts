/** The folder that a `get --atomic` changes as one: what comes is gathered beside it, and takes its place at the end. */
import * as fs from "node:fs";
import { randomBytes } from "node:crypto";
import { basename, dirname, join, resolve, sep } from "node:path";
import { SockError } from "../errors.ts";
import { fsFailure } from "../files/failure.ts";
import { Folder, HAS_PROC } from "../files/folder.ts";
import type { Name } from "../files/names.ts";
import { Parents } from "../files/parents.ts";
import { holdsPartials } from "../files/partials.ts";
import { Root } from "../files/root.ts";
import { StagedTree } from "../files/staging.ts";
import { walk } from "../files/walk.ts";
import type { Landing } from "../transfer/receiving-options.ts";
import { Destinations, placeOfFolder } from "./destination.ts";
import type { Got } from "./get.ts";

export interface AtomicOptions {
  /** As the user wrote it. */
  readonly dest: string;
  /** A pattern led to it: it goes into `dest`. */
  readonly several: boolean;
  readonly dry: boolean;
  /** What it is called at the server; undefined where its contents are meant. */
  readonly name: Name | undefined;
  /** Whose partial files these are. */
  readonly owner: string;
}

export class AtomicDestination implements AsyncDisposable {
  readonly #options: AtomicOptions;
  readonly #stack = new AsyncDisposableStack();
  #staged: StagedTree | undefined;
  #landing: Landing | undefined;

  constructor(options: AtomicOptions) {
    this.#options = options;
  }

  /** Whether nothing is there yet that what comes would have to be compared with, or could be gone on with. */
  get fresh(): boolean {
    const { dest, several, name } = this.#options;
    const { folder, own } = placeOfFolder(dest, several, name);
    if (typeof own === "object") return false;
    const path = own === undefined ? folder : join(folder, own);
    return !fs.existsSync(path) && !holdsPartials(dirname(path));
  }

  /** The same for each connection. Throws `not-folder`, `usage`, and what a staged tree throws; `asked` is for messages. */
  async place(kind: "file" | "folder", asked: string): Promise<Landing> {
    if (kind === "file") {
      throw new SockError("not-folder", `${asked}: is a file, and only a folder changes as one`, WITHOUT);
    }
    this.#landing ??= await (this.#options.dry ? this.#foresee(asked) : this.#begin());
    return this.#landing;
  }

  /** All of it changes now. Throws what is in the way; then it is as it was. */
  async publish({ connections, there }: Got): Promise<void> {
    const staged = this.#staged;
    if (staged === undefined) return;
    // what an earlier connection brought may be gone there since: of another version
    if (connections > 1 && (await countBelow(staged.root.top)) !== there) {
      throw new SockError(
        "changed",
        "it changed while it was fetched, so nothing was changed",
        "try it again",
      );
    }
    // the old version is removed with what else lies there
    await staged.publish();
  }

  /** What came and was not published goes, and what it has taken the place of; but for the part of a large file. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }

  async #begin(): Promise<Landing> {
    const { dest, several, name, owner: key } = this.#options;
    const { folder, own, shown } = placeOfFolder(dest, several, name);
    const { parent, base } = realPlace(folder, own, shown);
    let root: Root;
    try {
      fs.mkdirSync(parent, { recursive: true });
      root = Root.open(parent, { name: parent, writable: true });
    } catch (thrown) {
      throw fsFailure(thrown, shown);
    }
    this.#stack.defer(() => root.close());
    const run = randomBytes(RUN_BYTES).toString("hex");
    const staged = await StagedTree.begin(root, [base], { key, run, shown });
    this.#staged = staged;
    this.#stack.defer(() => staged.close());
    this.#stack.defer(() => staged.remove());
    return { root: staged.root, segments: [], shown, ownsRoot: true, live: this.#below(staged.live) };
  }

  /** With nothing to be changed the folder itself stands for what would be gathered. */
  #foresee(asked: string): Landing {
    const { dest, several, name } = this.#options;
    const places = this.#stack.use(new Destinations(dest, several, true));
    const landing = places.place(name, "folder", asked);
    const { folder, own, shown } = placeOfFolder(dest, several, name);
    const { parent, base } = realPlace(folder, own, shown);
    const path = typeof base === "string" ? join(parent, base) : undefined;
    if (path === undefined || !fs.existsSync(path)) return landing;
    if (!fs.statSync(path).isDirectory()) throw new SockError("not-folder", `${shown}: is not a folder`);
    const live = this.#stack.adopt(Folder.open(path, !HAS_PROC), (opened) => opened.close());
    return { ...landing, live: this.#below(live) };
  }

  #below(live: Folder | undefined): Parents | undefined {
    return live && this.#stack.adopt(Parents.of(live), (parents) => parents.close());
  }
}

/** Files and links. */
async function countBelow(folder: Folder): Promise<number> {
  let count = 0;
  for await (const step of walk(folder)) if (step.kind === "entry") count += 1;
  return count;
}

const WITHOUT = "leave --atomic out";
/** Tells this run's tree from what an earlier one has left, bytes. */
const RUN_BYTES = 16;

/** Where the folder really is: a link in its place has nothing that could be exchanged. */
function realPlace(folder: string, own: Name | undefined, shown: string): { parent: string; base: Name } {
  if (typeof own === "object") return { parent: folder, base: own };
  const path = own === undefined ? folder : join(folder, own);
  const real = realPath(path, shown);
  if (`${process.cwd()}${sep}`.startsWith(real.endsWith(sep) ? real : `${real}${sep}`)) {
    throw new SockError(
      "usage",
      `${shown}: this runs in the folder that is to change as one`,
      "go out of it first, or leave --atomic out",
    );
  }
  return { parent: dirname(real), base: basename(real) };
}

function realPath(path: string, shown: string): string {
  if (!fs.existsSync(path)) {
    const above = dirname(path);
    return join(fs.existsSync(above) ? fs.realpathSync(above) : resolve(above), basename(path));
  }
  const real = fs.realpathSync(path);
  // a name that is no text comes out as another
  if (fs.existsSync(real)) return real;
  throw new SockError("bad-name", `${shown}: leads through a link to a name that is no text`);
}
