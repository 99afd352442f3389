import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { SimulatedClock } from "../api/simulated.ts";
import { clockTime, thisMachine } from "./machine.ts";

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** A machine whose files are the given ones. */
function machineOf(files: Record<string, string>) {
  const root = mkdtempSync(join(tmpdir(), "tenon-machine-"));
  folders.push(root);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return thisMachine(new SimulatedClock(1_789_000_000_000), "linux", root);
}

const STAT = "cpu  100 20 30 4000 50 6 7 8 9 10\ncpu0 1 2 3 4 5 6 7 8 9 10\nbtime 1788990000\n";

describe("reading a Linux machine", () => {
  it("counts busy processor time, and memory that cannot simply be dropped", () => {
    const machine = machineOf({
      "/proc/stat": STAT,
      "/proc/meminfo": "MemTotal:       1000 kB\nMemFree:         300 kB\nInactive(file):  200 kB\n",
    });
    expect(machine.node()).toEqual({ timestamp: 1_789_000_000_000, cpuSeconds: 1.71, workingSetBytes: 500 * 1024 });
  });

  it("prefers cgroup v2 where it accounts", () => {
    const machine = machineOf({
      "/proc/stat": STAT,
      "/sys/fs/cgroup/cpu.stat": "usage_usec 2500000\nuser_usec 1\n",
      "/sys/fs/cgroup/memory.current": "1000\n",
      "/sys/fs/cgroup/memory.stat": "anon 1\ninactive_file 400\n",
    });
    expect(machine.node()).toMatchObject({ cpuSeconds: 2.5, workingSetBytes: 600 });
  });

  it("reads a process whatever its name holds", () => {
    const numbers = Array.from({ length: 40 }, (_, index) => index);
    numbers[10] = 150; // utime
    numbers[11] = 50; // stime
    numbers[18] = 12345; // start, ticks after boot
    const machine = machineOf({
      "/proc/stat": STAT,
      "/proc/77/stat": `77 (node) (x) 1) S ${numbers.join(" ")}\n`,
      "/proc/77/status": "Name:\tnode\nVmRSS:\t    2048 kB\n",
    });
    expect(machine.process(77)).toEqual({
      timestamp: 1_789_000_000_000,
      cpuSeconds: 2,
      workingSetBytes: 2048 * 1024,
      startSeconds: 1788990000 + 123.45,
    });
    expect(machine.process(78)).toBeUndefined();
  });

  it("knows that this very process uses memory and has used time", () => {
    const self = thisMachine(new SimulatedClock(1_789_000_000_000)).process(process.pid);
    expect(self?.workingSetBytes).toBeGreaterThan(1 << 20);
    expect(self?.cpuSeconds).toBeGreaterThan(0);
  });
});

describe("times of ps", () => {
  it.each([
    ["00:05", 5],
    ["1:02.50", 62.5],
    ["01:00:00", 3600],
    ["2-03:00:01", 2 * 86_400 + 3 * 3600 + 1],
  ])("%s is %d seconds", (text, seconds) => expect(clockTime(text)).toBe(seconds));
});
