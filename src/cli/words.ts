/** `a,b` and `a b` and both, as lists are typed in flags that repeat. */
export function splitWords(given: readonly string[]): string[] {
  return given.flatMap((text) => text.split(/[\s,]+/)).filter((word) => word !== "");
}
