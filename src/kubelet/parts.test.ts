import { mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Machine, ProcessReading } from "./machine.ts";
import { readParts } from "./parts.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tenon-parts-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const WRITTEN = 1_789_000_000;
const reading = (startSeconds: number): ProcessReading => ({
  timestamp: WRITTEN * 1000,
  cpuSeconds: 1,
  workingSetBytes: 2,
  startSeconds,
});
function machineWith(processes: Record<number, ProcessReading>): Machine {
  return {
    facts: () => {
      throw new Error("not asked");
    },
    node: () => {
      throw new Error("not asked");
    },
    process: (pid) => processes[pid],
  };
}
function file(name: string, text: string) {
  writeFileSync(join(folder, name), text);
  utimesSync(join(folder, name), WRITTEN, WRITTEN);
}

describe("the parts in a folder", () => {
  it("are its pid files, by name", () => {
    file("metrics-server.pid", "12\n");
    file("apiserver.pid", "11\n");
    file("kubeconfig", "not a part");
    file("-bad.pid", "13\n");
    file("UPPER.pid", "13\n");
    const machine = machineWith({ 11: reading(WRITTEN - 1), 12: reading(WRITTEN - 2), 13: reading(0) });
    expect(readParts(folder, machine)).toEqual([
      { name: "apiserver", pid: 11, reading: reading(WRITTEN - 1) },
      { name: "metrics-server", pid: 12, reading: reading(WRITTEN - 2) },
    ]);
  });

  it("stay listed without a reading when their process is gone", () => {
    file("apiserver.pid", "11\n");
    expect(readParts(folder, machineWith({}))).toEqual([{ name: "apiserver", pid: 11, reading: undefined }]);
  });

  it("are gone too when the id belongs to a younger process", () => {
    file("apiserver.pid", "11\n");
    const machine = machineWith({ 11: reading(WRITTEN + 60) });
    expect(readParts(folder, machine)).toEqual([{ name: "apiserver", pid: 11, reading: undefined }]);
  });

  it.each(["", "11", "x\n", "-1\n", "11 12\n", "99999999999\n"])("are not there yet when the file holds %j", (text) => {
    file("apiserver.pid", text);
    expect(readParts(folder, machineWith({ 11: reading(0) }))).toEqual([]);
  });

  it("are none where there is no folder", () => {
    expect(readParts(join(folder, "nowhere"), machineWith({}))).toEqual([]);
  });
});
