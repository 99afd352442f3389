import { describe, expect, test } from "vitest";
import { tokenReviewError } from "../authentication/reviews.ts";
import {
  localSubjectAccessReviews,
  rulesReviewError,
  selfSubjectAccessReviews,
  subjectAccessReviews,
} from "../authorization/reviews.ts";
import {
  decoded,
  printedRow,
  rehearsalContext,
  rehearseCreate,
  rehearseUpdate,
  subStrategy,
} from "../rehearse.test-support.ts";
import { deepCopy, semanticEqual } from "../semantic.ts";
import { events } from "./event.ts";
import { nodes } from "./node.ts";
import { serviceAccounts } from "./service-account.ts";

describe("Node", () => {
  const definition = nodes();
  const node = { metadata: { name: "n" }, spec: { podCIDR: "10.1.0.0/24", providerID: "p" } };

  test("what it has is what it gives, and both forms of its range agree", () => {
    const object = decoded(definition, { ...node, status: { capacity: { cpu: "4" } } });
    expect(object.status?.allocatable).toEqual({ cpu: "4" });
    expect(object.spec.podCIDRs).toEqual(["10.1.0.0/24"]);
  });

  test("taints", () => {
    const taints = [
      { key: "a", effect: "NoSchedule" },
      { key: "a", effect: "NoSchedule" },
      { key: "a", effect: "X" },
    ];
    expect(rehearseCreate(definition, { metadata: { name: "n" }, spec: { taints } }).errors).toEqual([
      'metadata.taints[1]: Duplicate value: {"Key":"a","Value":"","Effect":"NoSchedule","TimeAdded":null}: taints must be unique by key and effect pair',
      'metadata.taints[2].effect: Unsupported value: "X": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"',
    ]);
  });

  test("range and provider stay once known; a kubelet may create its status but not update it with the spec", () => {
    const stored = rehearseCreate(definition, { ...node, status: { phase: "Running" } }).object;
    expect(stored.status?.phase).toBe("Running");
    const { object, errors } = rehearseUpdate(definition, stored, (changed) => {
      changed.spec = { podCIDR: "10.2.0.0/24" };
      changed.status = {};
    });
    expect(errors).toEqual([
      'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid',
      'spec.providerID: Forbidden: node updates may not change providerID except from "" to valid',
    ]);
    expect(object.status?.phase).toBe("Running");
    const status = rehearseUpdate(
      definition,
      stored,
      (changed) => {
        changed.spec = {};
        changed.status = { phase: "Pending" };
      },
      subStrategy(definition, "status"),
    );
    expect(status.object.spec).toEqual(stored.spec);
    expect(status.object.status?.phase).toBe("Pending");
  });

  test.each<[object, object, object]>([
    [{}, {}, { Status: "Unknown", Roles: "<none>", "Internal-IP": "<none>", "OS-Image": "<unknown>" }],
    [
      { unschedulable: true },
      {
        conditions: [{ type: "Ready", status: "True" }],
        addresses: [{ type: "InternalIP", address: "10.0.0.1" }],
        nodeInfo: { kubeletVersion: "v1.36.3", kernelVersion: "6.1", architecture: "amd64" },
      },
      {
        Status: "Ready,SchedulingDisabled",
        Version: "v1.36.3",
        "Internal-IP": "10.0.0.1",
        "External-IP": "<none>",
        "Kernel-Version": "6.1 (amd64)",
      },
    ],
    [{}, { conditions: [{ type: "Ready", status: "Unknown" }] }, { Status: "NotReady" }],
  ])("columns of %j", (spec, status, cells) => {
    expect(printedRow(definition, decoded(definition, { metadata: { name: "n" }, spec, status }))).toMatchObject(cells);
  });

  test("roles come from labels", () => {
    const labels = {
      "node-role.kubernetes.io/worker": "",
      "kubernetes.io/role": "edge",
      "node-role.kubernetes.io/": "",
    };
    expect(printedRow(definition, decoded(definition, { metadata: { name: "n", labels } }))["Roles"]).toBe(
      "edge,worker",
    );
  });
});

describe("Event", () => {
  const definition = events();
  const event = (rest: object) => ({
    metadata: { name: "e", namespace: "ns" },
    involvedObject: { namespace: "ns", kind: "Pod", name: "p" },
    ...rest,
  });

  test("lives for an hour", () => expect(definition.ttlSeconds).toBe(3600));

  test.each<[object, string[]]>([
    [{}, []],
    [
      { involvedObject: { namespace: "other" } },
      ['involvedObject.namespace: Invalid value: "other": does not match event.namespace'],
    ],
    [
      {
        eventTime: "2026-01-01T00:00:00.000000Z",
        reportingComponent: "a.b/c",
        reportingInstance: "i",
        action: "A",
        reason: "R",
      },
      [],
    ],
  ])("rules %j", (rest, errors) => expect(rehearseCreate(definition, event(rest)).errors).toEqual(errors));

  test("columns", () => {
    const object = decoded(
      definition,
      event({
        firstTimestamp: "2026-01-01T00:00:00Z",
        lastTimestamp: "2026-01-01T00:00:30Z",
        type: "Warning",
        reason: "BackOff",
        message: " again ",
        source: { component: "kubelet", host: "n" },
        count: 3,
      }),
    );
    expect(printedRow(definition, object, Date.parse("2026-01-01T00:01:00Z"))).toEqual({
      "Last Seen": "30s",
      Type: "Warning",
      Reason: "BackOff",
      Object: "pod/p",
      Subobject: "",
      Source: "kubelet, n",
      Message: "again",
      "First Seen": "60s",
      Count: 3,
      Name: "e",
    });
    expect(definition.fields!["involvedObject.kind"]!(object)).toBe("Pod");
    expect(definition.fields!["source"]!(object)).toBe("kubelet");
  });
});

describe("ServiceAccount", () => {
  test("keeps only the names of secrets", () => {
    const value = { metadata: { name: "s" }, secrets: [{ name: "x", kind: "y" }] };
    expect(rehearseCreate(serviceAccounts({}), value).object.secrets).toEqual([{ name: "x" }]);
  });

  test("a token lives an hour, ten minutes at least", async () => {
    const definition = serviceAccounts({ createToken: (_context, _parent, body) => body });
    const token = definition.subresources![0]!;
    const parent = decoded(definition, { metadata: { name: "s" } });
    const answer = await token.create!(rehearsalContext(), parent, { metadata: {}, spec: { audiences: ["a"] } });
    expect(answer["spec"]).toEqual({ audiences: ["a"], expirationSeconds: 3600 });
    const ask = (expirationSeconds: number) => () =>
      token.create!(rehearsalContext(), parent, { metadata: {}, spec: { expirationSeconds } });
    expect(ask(599)).toThrow(
      "spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 10 minutes",
    );
    expect(ask(2 ** 32 + 1)).toThrow("may not specify a duration larger than 2^32 seconds");
  });
});

describe("reviews", () => {
  test("of somebody's access", () => {
    const definition = subjectAccessReviews();
    expect(rehearseCreate(definition, { spec: {} }).errors).toEqual([
      "spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified",
      'spec.user: Invalid value: "": at least one of user or group must be specified',
    ]);
    const both = {
      metadata: { name: "x" },
      spec: { user: "a", nonResourceAttributes: { path: "/x" }, resourceAttributes: { fieldSelector: {} } },
    };
    expect(rehearseCreate(definition, both).errors).toEqual([
      'spec.nonResourceAttributes: Invalid value: {"Path":"/x","Verb":""}: cannot be specified in combination with resourceAttributes',
      "spec.resourceAttributes.fieldSelector.requirements: Required value: when spec.resourceAttributes.fieldSelector is specified, requirements or rawSelector is required",
      'metadata: Invalid value: {"name":"x"}: must be empty',
    ]);
  });

  test("of one's own access, and of access in a namespace", () => {
    const own = { spec: { resourceAttributes: { verb: "get", resource: "pods" } } };
    expect(rehearseCreate(selfSubjectAccessReviews(), own).errors).toEqual([]);
    const local = (namespace: string) => ({ spec: { user: "a", resourceAttributes: { namespace } } });
    expect(rehearseCreate(localSubjectAccessReviews(), local("ns")).errors).toEqual([]);
    expect(rehearseCreate(localSubjectAccessReviews(), local("other")).errors).toEqual([
      'spec.resourceAttributes.namespace: Invalid value: "other": must match metadata.namespace',
    ]);
  });

  test("without a token or a namespace there is nothing to review", () => {
    expect(tokenReviewError({ metadata: {}, spec: {} })?.message).toBe(
      "token is required for TokenReview in authentication",
    );
    expect(tokenReviewError({ metadata: {}, spec: { token: "t" } })).toBeUndefined();
    expect(rulesReviewError({ metadata: {}, spec: {} })?.message).toBe("no namespace on request");
  });
});

describe("semantic equality", () => {
  test.each<[unknown, unknown, boolean]>([
    [{ a: 1, b: [1] }, { b: [1], a: 1 }, true],
    [{ a: [] }, {}, true],
    [undefined, {}, true],
    [{ a: { b: undefined } }, {}, true],
    [{ a: 0 }, {}, false],
    [{ a: "" }, {}, false],
    [[1, 2], [2, 1], false],
    [{ a: [1] }, { a: { 0: 1 } }, false],
  ])("%j and %j: %s", (left, right, equal) => {
    expect(semanticEqual(left, right)).toBe(equal);
    expect(semanticEqual(right, left)).toBe(equal);
  });

  test("a copy shares nothing and pollutes nothing", () => {
    const original = JSON.parse('{"a":{"b":[1]},"__proto__":{"x":1}}');
    const copy = deepCopy(original);
    copy.a.b.push(2);
    expect(original.a.b).toEqual([1]);
    expect(Object.keys(copy)).toEqual(["a", "__proto__"]);
    expect(({} as { x?: number }).x).toBeUndefined();
  });
});
