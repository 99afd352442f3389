/** The running parts of Tenon: `<part>.pid` in a folder, holding a process id and a newline; whoever starts a part writes it, whoever stops it takes it away. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Machine, ProcessReading } from "./machine.ts";

export interface Part {
  readonly name: string;
  readonly pid: number;
  /** Undefined when the file is there and the process is not: it was killed. */
  readonly reading: ProcessReading | undefined;
}

/** A file is written after its process began. Clocks and file systems may disagree a little, seconds. */
const TOLERANCE = 5;

/** Sorted by name. An absent folder has no parts; a file that is half written is skipped until it is whole. */
export function readParts(folder: string, machine: Machine): Part[] {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return [];
  }
  const parts: Part[] = [];
  for (const file of names.sort()) {
    const name = /^([a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?)\.pid$/.exec(file)?.[1];
    if (name === undefined) continue;
    try {
      const path = join(folder, file);
      const pid = /^(\d{1,10})\n/.exec(readFileSync(path, "latin1"))?.[1];
      if (pid === undefined) continue;
      const reading = machine.process(Number(pid));
      // A process that began after the file was written is another one that got the same id.
      const same = reading !== undefined && reading.startSeconds <= statSync(path).mtimeMs / 1000 + TOLERANCE;
      parts.push({ name, pid: Number(pid), reading: same ? reading : undefined });
    } catch {
      // The file went away while it was being read.
    }
  }
  return parts;
}
