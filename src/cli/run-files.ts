/** What a measured run leaves behind: the verdict for a CI system, a page for a browser. */
import { SockError } from "../errors.ts";
import { type JunitReport, junitXml } from "./junit.ts";
import { ResultFile } from "./result-file.ts";

export const FILE_FLAGS = {
  junit: {
    type: "string",
    valueHint: "FILE",
    description: "write the verdict for a CI system, as JUnit's XML",
  },
  report: { type: "string", valueHint: "FILE", description: "write a page with plots, as HTML" },
} as const;

export const FILE_FLAG_NAMES = ["junit", "report"] as const;

interface FilesGiven {
  readonly junit: string | undefined;
  readonly report: string | undefined;
  readonly samples?: string | undefined;
}

function fileOf(path: string | undefined): ResultFile | undefined {
  return path === undefined ? undefined : new ResultFile(path);
}

export class RunFiles {
  readonly #junit: ResultFile | undefined;
  readonly #report: ResultFile | undefined;

  /** Throws `io` where one could not be written, `usage` where one would take another's place. */
  constructor({ junit, report, samples }: FilesGiven) {
    this.#junit = fileOf(junit);
    this.#report = fileOf(report);
    const files = [this.#junit, this.#report, fileOf(samples)].filter((file) => file !== undefined);
    if (files.some((one, at) => files.slice(at + 1).some((other) => one.isSame(other)))) {
      throw new SockError("usage", "two of the files to write are the same file", "a path for each");
    }
  }

  get hasPage(): boolean {
    return this.#report !== undefined;
  }

  /** There was no run. A CI system should find why there is no verdict, and not an older one. */
  async failed(verb: string, name: string, started: Date, failure: SockError): Promise<void> {
    const xml = junitXml({ verb, name, thresholds: [], failure, started });
    // what ended the run matters more than this file
    await this.#junit?.write(xml).catch(() => undefined);
  }

  /** One that can't be written is no reason to leave another away, and is said when all were tried. */
  async write(
    verdict: JunitReport,
    page: () => Promise<string>,
    samples?: () => Promise<void>,
  ): Promise<void> {
    const drawn = async (): Promise<void> => {
      if (this.#report !== undefined) await this.#report.write(await page());
    };
    const written = await Promise.allSettled([this.#junit?.write(junitXml(verdict)), drawn(), samples?.()]);
    for (const one of written) if (one.status === "rejected") throw one.reason;
  }
}
