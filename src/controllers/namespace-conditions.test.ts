import { describe, expect, it } from "vitest";
import { type Findings, updateConditions } from "./namespace-conditions.ts";

const NOW = "2026-01-01T00:00:00Z";
const LATER = "2026-01-01T00:01:00Z";
const clean: Findings = { unreachable: [], failures: [], remaining: new Map(), finalizers: new Map() };

describe("conditions of a namespace that goes", () => {
  it("are all satisfied when nothing is in the way", () => {
    expect(updateConditions([], clean, NOW)).toEqual([
      {
        type: "NamespaceDeletionDiscoveryFailure",
        status: "False",
        reason: "ResourcesDiscovered",
        message: "All resources successfully discovered",
        lastTransitionTime: NOW,
      },
      {
        type: "NamespaceDeletionGroupVersionParsingFailure",
        status: "False",
        reason: "ParsedGroupVersions",
        message: "All legacy kube types successfully parsed",
        lastTransitionTime: NOW,
      },
      {
        type: "NamespaceDeletionContentFailure",
        status: "False",
        reason: "ContentDeleted",
        message: "All content successfully deleted, may be waiting on finalization",
        lastTransitionTime: NOW,
      },
      {
        type: "NamespaceContentRemaining",
        status: "False",
        reason: "ContentRemoved",
        message: "All content successfully removed",
        lastTransitionTime: NOW,
      },
      {
        type: "NamespaceFinalizersRemaining",
        status: "False",
        reason: "ContentHasNoFinalizers",
        message: "All content-preserving finalizers finished",
        lastTransitionTime: NOW,
      },
    ]);
  });

  it("name what is in the way", () => {
    const conditions = updateConditions(
      [],
      {
        unreachable: [{ group: "a.example.com", version: "v1", fresh: false, resources: [], why: "no answer" }],
        failures: ["b failed", "a failed"],
        remaining: new Map([
          ["pods.", 2],
          ["configmaps.", 1],
        ]),
        finalizers: new Map([["example.com/keep", 3]]),
      },
      NOW,
    );
    expect(
      conditions?.filter((condition) => condition.status === "True").map((condition) => condition.message),
    ).toEqual([
      "Discovery failed for some groups, 1 failing: unable to retrieve the complete list of server APIs: a.example.com/v1: no answer",
      "Failed to delete all resource types, 2 remaining: a failed, b failed",
      "Some resources are remaining: configmaps. has 1 resource instances, pods. has 2 resource instances",
      "Some content in the namespace has finalizers remaining: example.com/keep in 3 resource instances",
    ]);
  });

  it("keep their time while only the message changes, and others' conditions untouched", () => {
    const foreign = { type: "Mine", status: "True" };
    const first = updateConditions([foreign], { ...clean, failures: ["a"] }, NOW)!;
    const second = updateConditions(first, { ...clean, failures: ["b"] }, LATER)!;
    const content = second.find((condition) => condition.type === "NamespaceDeletionContentFailure");
    expect(content).toMatchObject({ status: "True", lastTransitionTime: NOW });
    expect(content?.message).toContain("b");
    expect(second[0]).toEqual(foreign);
    expect(updateConditions(second, clean, LATER)?.[3]).toMatchObject({ status: "False", lastTransitionTime: LATER });
  });

  it("are not written when nothing changed", () => {
    expect(updateConditions(updateConditions([], clean, NOW)!, clean, LATER)).toBeUndefined();
  });
});
