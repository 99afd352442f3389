/** What holds after every attack: nothing escaped, no prototype changed, the server is ready and answers. */
import { afterEach, beforeEach, expect } from "vitest";
import type { Target } from "../target.ts";

/** Call once in a test file. */
export function staysAlive(target: () => Target): void {
  const escaped: unknown[] = [];
  const note = (error: unknown) => void escaped.push(error);
  const before = prototypes();
  beforeEach(() => {
    process.on("unhandledRejection", note).on("uncaughtExceptionMonitor", note);
  });
  afterEach(async () => {
    process.off("unhandledRejection", note).off("uncaughtExceptionMonitor", note);
    expect(escaped.splice(0)).toEqual([]);
    expect(prototypes()).toBe(before);
    const ready = await target().call("GET", "/readyz");
    expect([ready.status, ready.text]).toEqual([200, "ok"]);
    expect((await target().call("GET", "/api/v1/namespaces/default")).status).toBe(200);
  });
}

const prototypes = () =>
  [Object, Array, String, Function, Map, Buffer]
    .map((type) =>
      Reflect.ownKeys(type.prototype as object)
        .map(String)
        .join(),
    )
    .join(";");
