import { describe, expect, it } from "vitest";
import { approvalOf } from "./approval.ts";
import { withCondition } from "./conditions.ts";
import { digest } from "./digest.test-support.ts";
import type { Digest } from "./digest.ts";
import { wantedStatus } from "./reconcile.ts";

const NOW = "2026-01-01T00:00:00Z";
const LATER = "2026-01-02T00:00:00Z";
const ACCEPTED = { plural: "foos", singular: "foo", kind: "Foo", listKind: "FooList" };
const other = (acceptedNames: object, name = "others.g.example.com") =>
  digest({ metadata: { name }, status: { acceptedNames } });
const reasons = (definition: Digest, ...group: Digest[]) => {
  const wanted = wantedStatus(definition, [definition, ...group], NOW);
  return wanted?.conditions.map(({ type, status, reason }) => `${type} ${status} ${reason}`);
};

describe("a new definition", () => {
  it("gets what it asks for, and is established", () => {
    const wanted = wantedStatus(digest(), [digest()], NOW);
    expect(wanted?.acceptedNames).toEqual(ACCEPTED);
    expect(wanted?.conditions).toEqual([
      {
        type: "NamesAccepted",
        status: "True",
        reason: "NoConflicts",
        message: "no conflicts found",
        lastTransitionTime: NOW,
      },
      {
        type: "Established",
        status: "True",
        reason: "InitialNamesAccepted",
        message: "the initial names have been accepted",
        lastTransitionTime: NOW,
      },
    ]);
  });

  it("is left alone when all is said", () => {
    const wanted = wantedStatus(digest(), [], NOW)!;
    expect(wantedStatus(digest({ status: { ...wanted } }), [], LATER)).toBeUndefined();
  });

  it.each([
    [{ plural: "foos" }, "PluralConflict", '"foos" is already in use'],
    [{ plural: "x", singular: "foo" }, "SingularConflict", '"foo" is already in use'],
    [{ plural: "x", shortNames: ["foo"] }, "SingularConflict", '"foo" is already in use'],
    [{ plural: "x", kind: "Foo" }, "KindConflict", '"Foo" is already in use'],
    [{ plural: "x", kind: "FooList" }, "ListKindConflict", '"FooList" is already in use'],
  ])("does not get what %j has", (has, reason, message) => {
    const wanted = wantedStatus(digest(), [other(has)], NOW);
    expect(wanted?.conditions[0]).toMatchObject({ type: "NamesAccepted", status: "False", reason, message });
    expect(wanted?.conditions[1]).toMatchObject({ type: "Established", status: "False", reason: "NotAccepted" });
  });

  it("keeps the rest of its names when one is taken", () => {
    const wanted = wantedStatus(digest(), [other({ plural: "x", kind: "Foo", listKind: "XList" })], NOW);
    expect(wanted?.acceptedNames).toEqual({ plural: "foos", singular: "foo", kind: "", listKind: "FooList" });
  });
});

describe("a definition with names", () => {
  const established = wantedStatus(digest(), [], NOW)!.conditions;
  const named = (names: object) =>
    digest({
      spec: { names: { ...ACCEPTED, ...names } },
      status: { acceptedNames: ACCEPTED, conditions: established },
    });

  it("may ask for more", () => {
    const wanted = wantedStatus(named({ shortNames: ["fo"], categories: ["all"] }), [], LATER);
    expect(wanted?.acceptedNames).toEqual({ ...ACCEPTED, shortNames: ["fo"], categories: ["all"] });
    expect(wanted?.conditions).toEqual(established);
  });

  it("stays established with what it has when it asks for what others have", () => {
    const definition = named({ shortNames: ["a", "b"] });
    expect(reasons(definition, other({ plural: "a", singular: "b", kind: "A" }))).toEqual([
      "NamesAccepted False ShortNamesConflict",
      "Established True InitialNamesAccepted",
    ]);
    const wanted = wantedStatus(definition, [other({ plural: "a", singular: "b", kind: "A" })], LATER);
    expect(wanted?.conditions[0]).toMatchObject({
      message: '["a" is already in use, "b" is already in use]',
      lastTransitionTime: LATER,
    });
    expect(wanted?.acceptedNames).toEqual(ACCEPTED);
  });
});

it("is not established with a webhook whose certificates are none", () => {
  const conversion = (caBundle: string) => ({
    strategy: "Webhook",
    webhook: { conversionReviewVersions: ["v1"], clientConfig: { url: "https://x", caBundle } },
  });
  const definition = digest({ spec: { conversion: conversion(Buffer.from("nonsense").toString("base64")) } });
  expect(reasons(definition)).toEqual(["NamesAccepted True NoConflicts", "Established False InvalidCABundle"]);
});

describe("approval", () => {
  it.each([
    ["example.com", "", undefined, undefined],
    ["k8s.io", "", "MissingAnnotation", undefined],
    ["x.k8s.io", "https://example.com/pull/1", "ApprovedAnnotation", "approved in https://example.com/pull/1"],
    ["x.kubernetes.io", "unapproved, because", "UnapprovedAnnotation", 'not approved: "unapproved, because"'],
    [
      "x.k8s.io",
      "yes",
      "InvalidAnnotation",
      'protected groups must have approval annotation "api-approved.kubernetes.io" with either a URL or a reason starting with "unapproved", see https://github.com/kubernetes/enhancements/pull/1111',
    ],
    ["notk8s.io", "", undefined, undefined],
  ])("of %s by %j", (group, annotation, reason, message) => {
    const condition = approvalOf(group, annotation);
    expect(condition?.reason).toBe(reason);
    if (message !== undefined) expect(condition?.message).toBe(message);
  });
});

describe("conditions", () => {
  const set = { type: "Terminating", status: "True", reason: "A", message: "a" } as const;

  it("keep their time until their status changes", () => {
    const first = withCondition([], set, NOW);
    expect(withCondition(first, set, LATER)).toBe(first);
    expect(withCondition(first, { ...set, reason: "B" }, LATER)[0]).toMatchObject({
      reason: "B",
      lastTransitionTime: NOW,
    });
    expect(withCondition(first, { ...set, status: "False" }, LATER)[0]?.lastTransitionTime).toBe(LATER);
  });
});
