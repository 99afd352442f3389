import { describe, expect, test } from "vitest";
import {
  decoded,
  printedRow,
  rehearsalContext,
  rehearseCreate,
  rehearseUpdate,
  subStrategy,
} from "../rehearse.test-support.ts";
import { apiServices, isAvailable, setCondition } from "./api-service.ts";

const definition = apiServices();
const remote = {
  metadata: { name: "v1.x.example.com" },
  spec: {
    group: "x.example.com",
    version: "v1",
    groupPriorityMinimum: 1000,
    versionPriority: 15,
    service: { namespace: "a", name: "b" },
  },
};
const withSpec = (spec: object, name = remote.metadata.name) => ({
  metadata: { name },
  spec: { ...remote.spec, ...spec },
});

describe("defaults", () => {
  test("the port of a service is 443, and 0 is not nothing", () => {
    expect(decoded(definition, remote).spec.service?.port).toBe(443);
    expect(decoded(definition, withSpec({ service: { namespace: "a", name: "b", port: 0 } })).spec.service?.port).toBe(
      0,
    );
    expect(decoded(definition, withSpec({ service: null })).spec.service).toBeUndefined();
  });
});

describe("validation, in upstream's order and words", () => {
  const dns1035 =
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
  test.each<[string, object, string[]]>([
    ["a good one", remote, []],
    ["the core group", withSpec({ group: "", service: null }, "v1."), []],
    [
      "another name",
      withSpec({}, "foo"),
      ['metadata.name: Invalid value: "foo": must be `spec.version+"."+spec.group`: "v1.x.example.com"'],
    ],
    [
      "a bad version: the name is checked first",
      withSpec({ version: "1v" }),
      [
        'metadata.name: Invalid value: "v1.x.example.com": must be `spec.version+"."+spec.group`: "1v.x.example.com"',
        `spec.version: Invalid value: "1v": ${dns1035}`,
      ],
    ],
    [
      "no group for another version",
      withSpec({ group: "", version: "v2", service: null }, "v2."),
      ["spec.group: Required value: only v1 may have an empty group and it better be legacy kube"],
    ],
    [
      "priorities",
      withSpec({ groupPriorityMinimum: 0, versionPriority: 1001 }),
      [
        "spec.groupPriorityMinimum: Invalid value: 0: must be positive and less than 20000",
        "spec.versionPriority: Invalid value: 1001: must be positive and less than 1000",
      ],
    ],
    ["the bounds themselves", withSpec({ groupPriorityMinimum: 20000, versionPriority: 1000 }), []],
    [
      "a local one with trust settings",
      withSpec({ service: null, caBundle: "YWJj", insecureSkipTLSVerify: true }),
      [
        'spec.caBundle: Invalid value: "3 bytes": local APIServices may not have a caBundle',
        "spec.insecureSkipTLSVerify: Invalid value: true: local APIServices may not have insecureSkipTLSVerify",
      ],
    ],
    [
      "an empty service",
      withSpec({ service: { port: 0 } }),
      [
        "spec.service.namespace: Required value",
        "spec.service.name: Required value",
        "spec.service.port: Invalid value: 0: port is not valid: must be between 1 and 65535, inclusive",
      ],
    ],
    [
      "trust and no trust",
      withSpec({ caBundle: "YWJj", insecureSkipTLSVerify: true }),
      ["spec.insecureSkipTLSVerify: Invalid value: true: may not be true if caBundle is present"],
    ],
    ["rubbish in caBundle is accepted", withSpec({ caBundle: "YWJj" }), []],
  ])("%s", (_, value, errors) => {
    expect(rehearseCreate(definition, value).errors).toEqual(errors);
  });

  test("a name that is no path segment is refused by the name rule alone", () => {
    expect(definition.nameRule("a/b", false)).toEqual(["may not contain '/'"]);
    expect(rehearseCreate(definition, withSpec({}, "a/b")).errors).toEqual([]);
  });
});

describe("status", () => {
  test("is wiped on create, and says Local at once when there is no service", () => {
    const forged = { ...remote, status: { conditions: [{ type: "Available", status: "True" }] } };
    expect(rehearseCreate(definition, forged).object.status).toEqual({});
    const { object } = rehearseCreate(definition, withSpec({ service: null }), rehearsalContext(1_000));
    expect(object.status?.conditions).toEqual([
      {
        type: "Available",
        status: "True",
        lastTransitionTime: "1970-01-01T00:00:01Z",
        reason: "Local",
        message: "Local APIServices are always available",
      },
    ]);
    expect(isAvailable(object)).toBe(true);
  });

  test("stays when the main resource is written, whatever becomes of the spec", () => {
    const stored = decoded(definition, remote);
    setCondition(stored, { type: "Available", status: "False", reason: "MissingEndpoints", message: "m" });
    const { object, errors } = rehearseUpdate(definition, stored, (changed) => {
      changed.status = {};
      delete changed.spec.service;
    });
    expect(errors).toEqual([]);
    expect(object.status).toEqual(stored.status);
  });

  test("writing it changes nothing else", () => {
    const stored = decoded(definition, { ...remote, metadata: { ...remote.metadata, labels: { a: "b" } } });
    const { object, errors } = rehearseUpdate(
      definition,
      stored,
      (changed) => {
        changed.spec.group = "other";
        changed.metadata.labels = { c: "d" };
        changed.metadata.finalizers = ["x.y/z"];
        changed.status = { conditions: [{ type: "Available", status: "True" }] };
      },
      subStrategy(definition, "status"),
    );
    expect(errors).toEqual([]);
    expect(object.spec).toEqual(stored.spec);
    expect(object.metadata).toEqual(stored.metadata);
    expect(isAvailable(object)).toBe(true);
  });

  test("a condition is True, False or Unknown", () => {
    const { errors } = rehearseUpdate(
      definition,
      decoded(definition, remote),
      (changed) => {
        changed.status = { conditions: [{ type: "Odd", status: "Maybe" }] };
      },
      subStrategy(definition, "status"),
    );
    expect(errors).toEqual([
      'status.conditions[0].status: Unsupported value: "Maybe": supported values: "True", "False", "Unknown"',
    ]);
  });

  test("the time of a condition moves only with its status", () => {
    const object = decoded(definition, remote);
    setCondition(object, { type: "Available", status: "False", lastTransitionTime: "t1", reason: "A", message: "a" });
    setCondition(object, { type: "Available", status: "False", lastTransitionTime: "t2", reason: "B", message: "b" });
    expect(object.status?.conditions?.[0]).toMatchObject({ lastTransitionTime: "t1", reason: "B", message: "b" });
    setCondition(object, { type: "Available", status: "True", lastTransitionTime: "t3" });
    expect(object.status?.conditions?.[0]).toMatchObject({ lastTransitionTime: "t3", status: "True" });
  });
});

describe("columns", () => {
  test.each([
    [undefined, "a/b", "Unknown"],
    [{ type: "Available", status: "True", reason: "Passed" }, "a/b", "True"],
    [{ type: "Available", status: "False", reason: "MissingEndpoints" }, "a/b", "False (MissingEndpoints)"],
  ])("%j", (condition, service, available) => {
    const object = decoded(definition, {
      ...remote,
      metadata: { ...remote.metadata, creationTimestamp: "1970-01-01T00:00:00Z" },
      status: condition ? { conditions: [condition] } : {},
    });
    expect(printedRow(definition, object, 303_000)).toEqual({
      Name: "v1.x.example.com",
      Service: service,
      Available: available,
      Age: "5m3s",
    });
  });

  test("a local one", () => {
    expect(printedRow(definition, decoded(definition, withSpec({ service: null })))).toMatchObject({
      Service: "Local",
      Age: "<unknown>",
    });
  });
});
