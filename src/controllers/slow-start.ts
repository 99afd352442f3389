/** Doing the same thing many times, in batches that double: when the first one fails, not all of them are tried. */

/** Runs `work` `count` times; stops after a batch in which one failed. Answers how many succeeded, with the first failure. */
export async function slowStart(
  count: number,
  work: () => Promise<void>,
): Promise<{ readonly succeeded: number; readonly error?: unknown }> {
  let succeeded = 0;
  for (let size = Math.min(count, 1), left = count; size > 0; size = Math.min(2 * size, left)) {
    const results = await Promise.allSettled(Array.from({ length: size }, work));
    const failed = results.filter((result) => result.status === "rejected");
    succeeded += size - failed.length;
    if (failed.length > 0) return { succeeded, error: failed[0]!.reason };
    left -= size;
  }
  return { succeeded };
}
