import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const FACE = fileURLToPath(new URL("./index.ts", import.meta.url));

/** Imports the face in a fresh process and lists what that loaded: packages by name, our own files by room. */
function loaded(): { packages: string[]; rooms: string[] } {
  const script = `
    import { registerHooks } from "node:module";
    const urls = [];
    registerHooks({ load(url, context, next) { urls.push(url); return next(url, context); } });
    await import(${JSON.stringify(FACE)});
    console.log(JSON.stringify(urls));`;
  const output = execFileSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
  const urls = JSON.parse(output) as string[];
  const matches = (pattern: RegExp) => [...new Set(urls.flatMap((url) => pattern.exec(url)?.[1] ?? []))].toSorted();
  return { packages: matches(/node_modules\/((?:@[^/]+\/)?[^/]+)/), rooms: matches(/\/src\/([\w-]+)\//) };
}

describe("importing tenon", () => {
  it("loads a handful of packages, and nothing that serves, stores or dials", () => {
    const { packages, rooms } = loaded();
    expect(packages).toEqual(["js-yaml", "re2js"]);
    expect(rooms).toEqual(["api", "schema", "sdk", "server"]);
  });
});
