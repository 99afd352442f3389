import { describe, expect, it } from "vitest";
import { aggregatedRules, type GatheringRole, type Rule, sameRules } from "./aggregated-rules.ts";

const read: Rule = { verbs: ["get"], apiGroups: [""], resources: ["pods"] };
const role = (name: string, rules: Rule[], labels: Record<string, string> = {}): GatheringRole => ({
  metadata: { name, labels },
  rules,
});
const gathering = (...matchLabels: Record<string, string>[]): GatheringRole => ({
  ...role("all", [], { to: "yes" }),
  aggregationRule: { clusterRoleSelectors: matchLabels.map((one) => ({ matchLabels: one })) },
});

describe("rules that are gathered", () => {
  const roles = [
    role("b", [read, { verbs: ["b"] }], { to: "yes" }),
    role("a", [read, { verbs: ["x"] }], { to: "yes" }),
    role("c", [{ verbs: ["y"] }], { other: "yes" }),
  ];

  it("come by label in the order of names, each once, and never from the role itself", () => {
    const all = gathering({ to: "yes" });
    expect(aggregatedRules(all, [...roles, all])).toEqual([read, { verbs: ["x"] }, { verbs: ["b"] }]);
  });

  it("come selector by selector", () => {
    const rules = aggregatedRules(gathering({ other: "yes" }, { to: "yes" }), roles);
    expect(rules?.map((rule) => rule.verbs?.[0])).toEqual(["y", "get", "x", "b"]);
  });

  it("are none for a role that gathers nothing, and an empty list for one that finds nothing", () => {
    expect(aggregatedRules(roles[0]!, roles)).toBe(undefined);
    expect(aggregatedRules(gathering({ to: "nobody" }), roles)).toEqual([]);
  });

  it("are the same when absent and empty fields are, and the order is", () => {
    expect(sameRules(null, [])).toBe(true);
    expect(sameRules([{ verbs: ["a"], resources: [] }], [{ verbs: ["a"] }])).toBe(true);
    expect(sameRules([{ verbs: ["a"] }, { verbs: ["b"] }], [{ verbs: ["b"] }, { verbs: ["a"] }])).toBe(false);
    expect(sameRules([{ verbs: ["a"] }], [])).toBe(false);
  });
});
