/** Expressions with the answers the Go library gives them in the environment of Kubernetes 1.36: values, types, errors and costs. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { answer, type Question } from "./answer.test-support.ts";

interface Row extends Question {
  compile?: string;
  type?: string;
  value?: unknown;
  error?: string;
  cost: number;
}

function rows(name: string): Row[] {
  const text = readFileSync(new URL(`testdata/${name}`, import.meta.url), "utf8");
  return text
    .trim()
    .split("\n")
    .map((line): Row => JSON.parse(line));
}

/** The rows that are answered otherwise, with both answers. */
function differences(table: Row[]): { question: Question; ours: unknown; wanted: unknown }[] {
  return table.flatMap(({ compile, type, value, error, cost, ...question }) => {
    const wanted = JSON.parse(JSON.stringify({ compile, type, value, error, cost }));
    const ours = JSON.parse(JSON.stringify(answer(question)));
    return JSON.stringify(sorted(ours)) === JSON.stringify(sorted(wanted)) ? [] : [{ question, ours, wanted }];
  });
}

function sorted(object: Record<string, unknown>): [string, unknown][] {
  return Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1));
}

describe("answers of the Go library", () => {
  it.each(["answers.jsonl", "rules.jsonl"])("%s", (name) => {
    const table = rows(name);
    expect(table.length).toBeGreaterThan(150);
    expect(differences(table)).toEqual([]);
  });
});
