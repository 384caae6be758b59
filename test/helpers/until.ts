/** Waits until `condition` gives a value that is not false, null or undefined; asks every few ms, throws at the deadline. */
export async function until<T>(
  condition: () => T | Promise<T>,
  what = "a condition",
  deadlineMs = 10_000,
): Promise<NonNullable<Exclude<T, false>>> {
  const end = performance.now() + deadlineMs;
  for (;;) {
    const value = await condition();
    if (value !== undefined && value !== null && value !== false) {
      return value as NonNullable<Exclude<T, false>>;
    }
    if (performance.now() > end) throw new Error(`waited ${deadlineMs} ms for ${what}`);
    await Bun.sleep(5);
  }
}
