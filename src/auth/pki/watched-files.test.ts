import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { systemClock } from "../../api/machine.ts";
import { SimulatedClock } from "../../api/simulated.ts";
import { type WatchOptions, watchFiles } from "./watched-files.ts";

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** Two files that must say the same to make sense. */
async function twins(options: Partial<WatchOptions> = {}) {
  const folder = mkdtempSync(join(tmpdir(), "watched-"));
  folders.push(folder);
  const paths = [join(folder, "a"), join(folder, "b")];
  const write = (index: number, text: string) => writeFileSync(paths[index]!, text);
  write(0, "1");
  write(1, "1");
  const clock = new SimulatedClock();
  const errors: string[] = [];
  let happened = () => {};
  let stopped = 0;
  const files = await watchFiles(
    paths,
    ([a, b]) => {
      if (a !== b) throw new Error(`${a} is not ${b}`);
      return { text: a };
    },
    {
      clock,
      onError: (error) => errors.push((error as Error).message),
      notify(_, callback) {
        happened = callback;
        return () => stopped++;
      },
      ...options,
    },
  );
  const changes: (string | undefined)[] = [];
  files.onChange(() => changes.push(files.current.text));
  return { files, write, clock, errors, changes, happened: () => happened(), stopped: () => stopped, folder };
}

it("are read again when something happens in their folder, once it is quiet, and every minute", async () => {
  const { files, write, clock, changes, happened } = await twins();
  const before = files.current;
  await files.look();
  expect(files.current).toBe(before);
  write(0, "2");
  write(1, "2");
  happened();
  happened();
  await clock.advance(100);
  await files.look();
  expect([files.current.text, changes]).toEqual(["2", ["2"]]);
  write(0, "3");
  write(1, "3");
  await clock.advance(60_000);
  await files.look();
  expect(changes).toEqual(["2", "3"]);
});

it("between two steps of a replacement the old ones count; the second is noticed without being told of", async () => {
  const { files, write, clock, errors, changes } = await twins();
  write(0, "2");
  await files.look();
  await files.look();
  expect([files.current.text, errors]).toEqual(["1", ["2 is not 1"]]);
  rmSync(join(folders[0]!, "b"));
  await files.look();
  expect(errors).toHaveLength(2);
  expect(errors[1]).toContain("ENOENT");
  write(1, "2");
  await clock.advance(1000);
  await files.look();
  expect(changes).toEqual(["2"]);
});

it("that make no sense at the start are an error", async () => {
  const { folder } = await twins();
  const options = { clock: new SimulatedClock(), onError: () => {} };
  await expect(watchFiles([join(folder, "none")], () => 1, options)).rejects.toThrow("ENOENT");
  const broken = () => {
    throw new Error("broken");
  };
  await expect(watchFiles([join(folder, "a")], broken, options)).rejects.toThrow("broken");
});

it("closed, nothing is read and nothing waits", async () => {
  const { files, write, clock, changes, stopped } = await twins();
  files.close();
  write(0, "2");
  write(1, "2");
  await files.look();
  expect([changes, clock.waiting, stopped()]).toEqual([[], 0, 1]);
});

it("the system tells of changes", async () => {
  const { folder } = await twins();
  const file = join(folder, "c");
  writeFileSync(file, "1");
  const files = await watchFiles([file], ([text]) => text, { clock: systemClock, onError: () => {} });
  const changed = new Promise<void>((resolve) => files.onChange(resolve));
  writeFileSync(file, "2");
  await changed;
  expect(files.current).toBe("2");
  files.close();
});
