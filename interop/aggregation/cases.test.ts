import { readFileSync } from "node:fs";
import { describe, expect, inject, it } from "vitest";
import { openTarget } from "../target.ts";
import { CASES, SECTIONS } from "./cases.ts";
import { openStage } from "./stage.ts";

describe("the table of cases", () => {
  it("numbers each once, in order", () => {
    const numbers = CASES.map(({ number }) => number);
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
  });

  it("names differences by their rows", () => {
    const rows = readFileSync(new URL("../../docs/deviations.md", import.meta.url), "utf8")
      .split("\n")
      .map((line) => line.split("|")[1]?.trim());
    const missing = CASES.flatMap(({ number, differs }) =>
      differs === undefined || rows.includes(differs) ? [] : [`${number}: ${differs}`],
    );
    expect(missing).toEqual([]);
  });
});

const onlyInTable = () => Promise.reject(new Error("only in the table"));

// Those that wait for timers, restart servers or need flags run by `node interop/aggregation/table.ts`.
for (const { title, cases } of SECTIONS) {
  const quick = cases.filter(({ slow, world = "endpoint" }) => !slow && world === "endpoint");
  if (quick.length === 0) continue;
  describe.concurrent(title, () => {
    for (const one of quick) {
      it(`${one.number} ${one.name}`, async () => {
        const { stage, close } = await openStage({
          server: { target: openTarget(inject("kubeconfig")), pki: "" },
          upstream: false,
          routing: "endpoint",
          host: "127.0.0.1",
          name: `case-${one.number}`,
          start: onlyInTable,
          also: onlyInTable,
        });
        try {
          await one.run(stage);
        } finally {
          await close();
        }
      });
    }
  });
}
