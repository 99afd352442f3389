/** What this machine and its processes really use: `/proc` and cgroup v2 on Linux, `node:os` and `ps` elsewhere. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { arch, availableParallelism, cpus, freemem, type as osType, release, totalmem } from "node:os";
import type { Clock } from "../api/clock.ts";
import type { NodeReading } from "./exposition.ts";

export interface ProcessReading extends NodeReading {
  /** Seconds since the epoch. */
  readonly startSeconds: number;
}

/** What does not change while it runs. */
export interface MachineFacts {
  /** Processors that may be used. */
  readonly cpus: number;
  readonly memoryBytes: number;
  /** As Go names it: linux, darwin. */
  readonly operatingSystem: string;
  /** As Go names it: amd64, arm64. */
  readonly architecture: string;
  readonly osImage: string;
  readonly kernelVersion: string;
  /** "" where the system has none. */
  readonly machineID: string;
  readonly bootID: string;
}

export interface Machine {
  facts(): MachineFacts;
  /** Throws when nothing can be read; the payload then says `resource_scrape_error 1`. */
  node(): NodeReading;
  /** Undefined when no such process runs. */
  process(pid: number): ProcessReading | undefined;
}

/** The readings of the machine this runs on. `root`: where `/proc` and `/sys` are, for tests. */
export function thisMachine(clock: Clock, platform: NodeJS.Platform = process.platform, root = ""): Machine {
  return platform === "linux" ? new LinuxMachine(clock, root) : new OtherMachine(clock);
}

/** Linux reports CPU times to user space in hundredths of a second on every architecture (USER_HZ). */
const TICKS_PER_SECOND = 100;

class LinuxMachine implements Machine {
  readonly #clock: Clock;
  readonly #root: string;
  readonly #bootSeconds: number;

  constructor(clock: Clock, root: string) {
    this.#clock = clock;
    this.#root = root;
    this.#bootSeconds = Number(/^btime (\d+)$/m.exec(this.#read("/proc/stat"))?.[1] ?? 0);
  }

  #read(path: string): string {
    return readFileSync(`${this.#root}${path}`, "latin1");
  }

  #optional(path: string): string | undefined {
    try {
      return this.#read(path);
    } catch {
      return undefined;
    }
  }

  facts(): MachineFacts {
    const limit = Number(this.#optional("/sys/fs/cgroup/memory.max") ?? Number.NaN);
    const total = Number(/^MemTotal: +(\d+) kB$/m.exec(this.#read("/proc/meminfo"))?.[1] ?? 0) * 1024;
    return {
      ...facts(),
      memoryBytes: limit > 0 && limit < total ? limit : total,
      osImage: /^PRETTY_NAME="?([^"\n]*)/m.exec(this.#optional("/etc/os-release") ?? "")?.[1] || "Linux",
      machineID: (this.#optional("/etc/machine-id") ?? "").trim(),
      bootID: (this.#optional("/proc/sys/kernel/random/boot_id") ?? "").trim(),
    };
  }

  node(): NodeReading {
    return { timestamp: this.#clock.now(), cpuSeconds: this.#nodeCPU(), workingSetBytes: this.#nodeWorkingSet() };
  }

  #nodeCPU(): number {
    const cgroup = /^usage_usec (\d+)$/m.exec(this.#optional("/sys/fs/cgroup/cpu.stat") ?? "")?.[1];
    if (cgroup !== undefined) return Number(cgroup) / 1e6;
    // user nice system idle iowait irq softirq steal; guest times are already part of user and nice.
    const times = /^cpu +(.+)$/m.exec(this.#read("/proc/stat"))?.[1]?.split(" ").map(Number) ?? [];
    const busy = [0, 1, 2, 5, 6, 7].reduce((sum, index) => sum + (times[index] ?? 0), 0);
    return busy / TICKS_PER_SECOND;
  }

  /** Used memory without the file cache that can be dropped at once, as cAdvisor counts it. */
  #nodeWorkingSet(): number {
    const current = this.#optional("/sys/fs/cgroup/memory.current");
    if (current !== undefined) {
      const inactive = /^inactive_file (\d+)$/m.exec(this.#optional("/sys/fs/cgroup/memory.stat") ?? "")?.[1] ?? "0";
      return Math.max(0, Number(current) - Number(inactive));
    }
    const info = this.#read("/proc/meminfo");
    const kibibytes = (name: string) => Number(new RegExp(`^${name}: +(\\d+) kB$`, "m").exec(info)?.[1] ?? 0);
    return (kibibytes("MemTotal") - kibibytes("MemFree") - kibibytes("Inactive\\(file\\)")) * 1024;
  }

  process(pid: number): ProcessReading | undefined {
    const stat = this.#optional(`/proc/${pid}/stat`);
    const status = this.#optional(`/proc/${pid}/status`);
    if (stat === undefined || status === undefined) return undefined;
    // The command name is in parentheses and may hold anything; what follows the last one is regular.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (fields[0] === "Z") return undefined;
    const ticks = Number(fields[11]) + Number(fields[12]);
    return {
      timestamp: this.#clock.now(),
      cpuSeconds: ticks / TICKS_PER_SECOND,
      workingSetBytes: Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024,
      startSeconds: this.#bootSeconds + Number(fields[19]) / TICKS_PER_SECOND,
    };
  }
}

class OtherMachine implements Machine {
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  facts(): MachineFacts {
    return facts();
  }

  node(): NodeReading {
    const milliseconds = cpus().reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0);
    return { timestamp: this.#clock.now(), cpuSeconds: milliseconds / 1000, workingSetBytes: totalmem() - freemem() };
  }

  process(pid: number): ProcessReading | undefined {
    let line: string;
    try {
      line = execFileSync("ps", ["-o", "rss=,time=,etime=", "-p", String(pid)], { encoding: "utf8" }).trim();
    } catch {
      return undefined;
    }
    const [kibibytes, used, elapsed] = line.split(/\s+/);
    if (kibibytes === undefined || used === undefined || elapsed === undefined) return undefined;
    const timestamp = this.#clock.now();
    return {
      timestamp,
      cpuSeconds: clockTime(used),
      workingSetBytes: Number(kibibytes) * 1024,
      startSeconds: Math.round(timestamp / 1000 - clockTime(elapsed)),
    };
  }
}

function facts(): MachineFacts {
  const architecture = arch();
  return {
    cpus: availableParallelism(),
    memoryBytes: totalmem(),
    operatingSystem: osType().toLowerCase(),
    architecture: architecture === "x64" ? "amd64" : architecture,
    osImage: osType(),
    kernelVersion: release(),
    machineID: "",
    bootID: "",
  };
}

/** `[[days-]hours:]minutes:seconds[.fraction]` as `ps` prints it, in seconds. */
export function clockTime(text: string): number {
  const [days, rest] = text.includes("-") ? text.split("-") : ["0", text];
  const seconds = (rest ?? "0").split(":").reduce((sum, part) => sum * 60 + Number(part), 0);
  return Number(days) * 86_400 + seconds;
}
