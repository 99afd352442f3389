import { deflateRawSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { readFromZip } from "./zip.ts";

/** An archive of one file, made by hand from the format's fields. */
function zipOf(name: string, content: Buffer, method: number): Buffer {
  const body = method === 8 ? deflateRawSync(content) : content;
  const local = Buffer.alloc(30 + name.length);
  local.writeUInt32LE(0x04034b50, 0);
  local.writeUInt16LE(name.length, 26);
  local.write(name, 30);
  const entry = Buffer.alloc(46 + name.length);
  entry.writeUInt32LE(0x02014b50, 0);
  entry.writeUInt16LE(method, 10);
  entry.writeUInt32LE(body.length, 20);
  entry.writeUInt16LE(name.length, 28);
  entry.write(name, 46);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(local.length + body.length, 16);
  return Buffer.concat([local, body, entry, end]);
}

describe("reading a zip archive", () => {
  const content = Buffer.from("#!/bin/sh\necho hello\n".repeat(50));

  it.each([0, 8])("gives back a file stored by method %i", (method) => {
    expect(readFromZip(zipOf("helm/helm", content, method), "helm/helm").equals(content)).toBe(true);
  });

  it("says what the archive holds when the file is not there", () => {
    expect(() => readFromZip(zipOf("a/b", content, 8), "a/c")).toThrow("a/c is not in the archive; it holds a/b");
  });

  it("refuses what is no archive, and a compression it does not know", () => {
    expect(() => readFromZip(Buffer.alloc(100), "x")).toThrow(/not a zip archive/);
    expect(() => readFromZip(zipOf("x", content, 99), "x")).toThrow("compression method 99");
  });
});
