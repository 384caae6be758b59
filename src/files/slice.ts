import { SLICE_MS } from "../protocol/constants.ts";

/** Lets the event loop go on from time to time while much small work is done at once. */
export class Slice {
  #began = performance.now();

  /** Something to wait for when this slice is over, else undefined: cheap to ask after each step. */
  over(): Promise<void> | undefined {
    if (performance.now() - this.#began < SLICE_MS) return undefined;
    return new Promise((resolve) => {
      setImmediate(() => {
        this.#began = performance.now();
        resolve();
      });
    });
  }
}
