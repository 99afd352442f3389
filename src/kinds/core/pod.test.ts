import { describe, expect, test } from "vitest";
import { StatusError } from "../../api/status.ts";
import type { Pod } from "../generated/types.ts";
import { decoded, printedRow, rehearseCreate, rehearseUpdate, subStrategy } from "../rehearse.test-support.ts";
import { boundPod, markEvicted, pods } from "./pod.ts";
import { defaultPullPolicy } from "./pod-defaults.ts";

const definition = pods();
const minimal = { metadata: { name: "p" }, spec: { containers: [{ name: "c", image: "nginx" }] } };
const pod = (spec: object, rest: object = {}) => ({ ...minimal, spec: { ...minimal.spec, ...spec }, ...rest });
const container = (fields: object) => pod({ containers: [{ name: "c", image: "nginx", ...fields }] });

describe("defaults", () => {
  test("of everything an author leaves out", () => {
    expect(decoded(definition, minimal).spec).toEqual({
      containers: [
        {
          name: "c",
          image: "nginx",
          resources: {},
          terminationMessagePath: "/dev/termination-log",
          terminationMessagePolicy: "File",
          imagePullPolicy: "Always",
        },
      ],
      restartPolicy: "Always",
      terminationGracePeriodSeconds: 30,
      dnsPolicy: "ClusterFirst",
      securityContext: {},
      schedulerName: "default-scheduler",
      enableServiceLinks: true,
    });
  });

  test.each([
    ["nginx", "Always"],
    ["nginx:latest", "Always"],
    ["nginx:1.2", "IfNotPresent"],
    ["r.io:5000/x", "Always"],
    ["r.io:5000/x:1", "IfNotPresent"],
    ["x@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "IfNotPresent"],
    ["A/B", "IfNotPresent"],
    ["", "IfNotPresent"],
  ])("image %s is pulled %s", (image, policy) => expect(defaultPullPolicy(image)).toBe(policy));

  test("of probes, ports, references and volumes", () => {
    const { spec } = decoded(
      definition,
      pod({
        containers: [
          {
            name: "c",
            image: "x:1",
            ports: [{ containerPort: 80 }],
            env: [{ name: "N", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } }],
            readinessProbe: { httpGet: { port: 80 } },
            livenessProbe: { grpc: { port: 3 } },
            resources: { limits: { cpu: "100u", memory: "1Gi" } },
          },
        ],
        volumes: [{ name: "a" }, { name: "b", secret: { secretName: "s" } }, { name: "c", hostPath: { path: "/" } }],
      }),
    );
    const timing = { timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 };
    expect(spec.containers![0]).toMatchObject({
      ports: [{ containerPort: 80, protocol: "TCP" }],
      env: [{ name: "N", valueFrom: { fieldRef: { apiVersion: "v1", fieldPath: "metadata.name" } } }],
      readinessProbe: { httpGet: { path: "/", port: 80, scheme: "HTTP" }, ...timing },
      livenessProbe: { grpc: { port: 3, service: "" }, ...timing },
      resources: { limits: { cpu: "1m", memory: "1Gi" }, requests: { cpu: "1m", memory: "1Gi" } },
    });
    expect(spec.volumes).toEqual([
      { name: "a", emptyDir: {} },
      { name: "b", secret: { secretName: "s", defaultMode: 420 } },
      { name: "c", hostPath: { path: "/", type: "" } },
    ]);
  });

  test("the host's network makes ports the host's", () => {
    const { spec } = decoded(definition, { ...container({ ports: [{ containerPort: 80 }] }) });
    expect(spec.containers![0]!.ports![0]!.hostPort).toBeUndefined();
    const host = pod({ hostNetwork: true, containers: [{ name: "c", image: "x", ports: [{ containerPort: 80 }] }] });
    expect(decoded(definition, host).spec.containers![0]!.ports![0]!.hostPort).toBe(80);
  });
});

describe("create", () => {
  test("wipes the status and begins generation 1", () => {
    const { object, errors } = rehearseCreate(definition, pod({}, { status: { phase: "Running", podIP: "1.2.3.4" } }));
    expect(errors).toEqual([]);
    expect(object.status).toEqual({ phase: "Pending", qosClass: "BestEffort" });
    expect(object.metadata.generation).toBe(1);
  });

  test.each([
    [{}, "BestEffort"],
    [{ requests: { cpu: "1" } }, "Burstable"],
    [{ limits: { cpu: "1", memory: "1Gi" } }, "Guaranteed"],
    [{ limits: { cpu: "1", memory: "1Gi" }, requests: { cpu: "500m" } }, "Burstable"],
    [{ limits: { cpu: "1" } }, "Burstable"],
    [{ limits: { "x.y/gpu": "1" } }, "BestEffort"],
  ])("quality of service of %j", (resources, quality) => {
    expect(rehearseCreate(definition, container({ resources })).object.status?.qosClass).toBe(quality);
  });

  test("a gated pod says why it is not scheduled", () => {
    const { object } = rehearseCreate(definition, pod({ schedulingGates: [{ name: "x.y/z" }] }));
    expect(object.status?.conditions?.[0]).toMatchObject({
      type: "PodScheduled",
      status: "False",
      reason: "SchedulingGated",
    });
    expect(printedRow(definition, object)["Status"]).toBe("SchedulingGated");
  });

  const label =
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
  test.each<[string, object, string[]]>([
    ["no containers", pod({ containers: [] }), ["spec.containers: Required value"]],
    [
      "names and images",
      pod({ containers: [{ name: "A" }, { name: "b", image: "x" }, { name: "b", image: " x" }] }),
      [
        `spec.containers[0].name: Invalid value: "A": ${label}`,
        "spec.containers[0].image: Required value",
        'spec.containers[2].name: Duplicate value: "b"',
        'spec.containers[2].image: Invalid value: " x": must not have leading or trailing whitespace',
      ],
    ],
    [
      "ports",
      container({ ports: [{ containerPort: 0 }, { containerPort: 99999 }, { containerPort: 1, protocol: "x" }] }),
      [
        "spec.containers[0].ports[0].containerPort: Required value",
        "spec.containers[0].ports[1].containerPort: Invalid value: 99999: must be between 1 and 65535, inclusive",
        'spec.containers[0].ports[2].protocol: Unsupported value: "x": supported values: "SCTP", "TCP", "UDP"',
      ],
    ],
    [
      "mounts of volumes that are not there",
      container({ volumeMounts: [{ name: "v" }] }),
      [
        'spec.containers[0].volumeMounts[0].name: Not found: "v"',
        "spec.containers[0].volumeMounts[0].mountPath: Required value",
      ],
    ],
    [
      "more requested than allowed",
      container({ resources: { requests: { cpu: "2" }, limits: { cpu: "1" } } }),
      ['spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1'],
    ],
    [
      "probes",
      container({ livenessProbe: { exec: {}, successThreshold: 3 }, readinessProbe: {} }),
      [
        "spec.containers[0].livenessProbe.exec.command: Required value",
        "spec.containers[0].livenessProbe.successThreshold: Invalid value: 3: must be 1",
        "spec.containers[0].readinessProbe: Required value: must specify a handler type",
      ],
    ],
    [
      "policies",
      pod({ restartPolicy: "x", dnsPolicy: "y" }),
      [
        'spec.restartPolicy: Unsupported value: "x": supported values: "Always", "OnFailure", "Never"',
        'spec.dnsPolicy: Unsupported value: "y": supported values: "ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"',
      ],
    ],
    [
      "two kinds of volume at once",
      pod({ volumes: [{ name: "v", emptyDir: {}, secret: { secretName: "a" } }] }),
      ["spec.volumes[0].secret: Forbidden: may not specify more than 1 volume type"],
    ],
    [
      "tolerations",
      pod({ tolerations: [{ key: "a", effect: "B", tolerationSeconds: 3 }] }),
      [
        "spec.tolerations[0].effect: Invalid value: \"B\": effect must be 'NoExecute' when `tolerationSeconds` is set",
        'spec.tolerations[0].effect: Unsupported value: "B": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"',
      ],
    ],
  ])("%s", (_, value, errors) => expect(rehearseCreate(definition, value).errors).toEqual(errors));
});

describe("update", () => {
  const stored = rehearseCreate(definition, pod({ activeDeadlineSeconds: 10 })).object;
  const change = (edit: (changed: Pod) => void) => rehearseUpdate(definition, stored, edit);

  test("an image may change, and the generation with it; the status stays", () => {
    const { object, errors } = change((changed) => {
      changed.spec.containers![0]!.image = "other";
      changed.status = {};
    });
    expect(errors).toEqual([]);
    expect(object.metadata.generation).toBe(2);
    expect(object.status).toEqual(stored.status);
    expect(
      change((changed) => {
        changed.metadata.labels = { a: "b" };
      }).object.metadata.generation,
    ).toBe(1);
  });

  test.each<[string, (changed: Pod) => void, string]>([
    [
      "a name",
      (p) => {
        p.spec.nodeName = "n";
      },
      "spec: Forbidden: pod updates may not change fields other than",
    ],
    [
      "a container",
      (p) => void p.spec.containers!.push({ name: "d", image: "x" }),
      "spec.containers: Forbidden: pod updates may not add or remove containers",
    ],
    [
      "a longer deadline",
      (p) => {
        p.spec.activeDeadlineSeconds = 11;
      },
      "spec.activeDeadlineSeconds: Invalid value: 11: must be less than or equal to previous value",
    ],
    [
      "no deadline",
      (p) => void delete p.spec.activeDeadlineSeconds,
      "spec.activeDeadlineSeconds: Invalid value: null: must not update from a positive integer to nil value",
    ],
  ])("refuses %s", (_, edit, message) => expect(change(edit).errors[0]).toContain(message));

  test("tolerations may be added only", () => {
    const toleration = { key: "a", operator: "Exists" };
    expect(
      change((changed) => {
        changed.spec.tolerations = [toleration];
      }).errors,
    ).toEqual([]);
    const tolerant = { ...stored, spec: { ...stored.spec, tolerations: [toleration] } };
    expect(
      rehearseUpdate(definition, tolerant, (changed) => {
        changed.spec.tolerations = [];
      }).errors,
    ).toEqual(["spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds"]);
  });

  test("status changes the status only", () => {
    const { object, errors } = rehearseUpdate(
      definition,
      stored,
      (changed) => {
        changed.spec.nodeName = "n";
        changed.status = { phase: "Running", podIP: "10.0.0.1" };
      },
      subStrategy(definition, "status"),
    );
    expect(errors).toEqual([]);
    expect(object.spec).toEqual(stored.spec);
    expect(object.status).toEqual({
      phase: "Running",
      podIP: "10.0.0.1",
      podIPs: [{ ip: "10.0.0.1" }],
      qosClass: "BestEffort",
    });
  });
});

describe("grace of a delete", () => {
  const grace = definition.strategy.gracePeriodSeconds!;
  test.each<[string, object, object, number | undefined, number]>([
    ["no node", {}, {}, 30, 0],
    ["its own", { nodeName: "n" }, {}, undefined, 30],
    ["asked", { nodeName: "n" }, {}, 5, 5],
    ["none", { nodeName: "n" }, {}, 0, 0],
    ["negative", { nodeName: "n" }, {}, -1, 1],
    ["ended", { nodeName: "n" }, { phase: "Succeeded" }, 30, 0],
    ["failed", { nodeName: "n" }, { phase: "Failed" }, undefined, 0],
  ])("%s", (_, spec, status, asked, seconds) => {
    expect(grace(decoded(definition, pod(spec, { status })), asked)).toBe(seconds);
  });
});

describe("binding", () => {
  const binding = { metadata: { name: "p", annotations: { a: "b" } }, target: { name: "n" } };
  test("gives the pod its node in a copy", () => {
    const stored = rehearseCreate(definition, minimal).object;
    const bound = boundPod(stored, binding, 1_000);
    expect(stored.spec.nodeName).toBeUndefined();
    expect(bound.spec.nodeName).toBe("n");
    expect(bound.metadata.annotations).toEqual({ a: "b" });
    expect(bound.status?.conditions).toEqual([
      { type: "PodScheduled", status: "True", lastTransitionTime: "1970-01-01T00:00:01Z" },
    ]);
    expect(() => boundPod(bound, binding, 0)).toThrow('pod p is already assigned to node "n"');
    expect(() => boundPod(bound, binding, 0)).toThrow(StatusError);
  });
});

describe("eviction", () => {
  test("is noted as a condition, once", () => {
    const evicted = rehearseCreate(definition, minimal).object;
    markEvicted(evicted, 1_000);
    const noted = structuredClone(evicted.status);
    expect(noted?.conditions).toContainEqual({
      type: "DisruptionTarget",
      status: "True",
      lastTransitionTime: "1970-01-01T00:00:01Z",
      reason: "EvictionByEvictionAPI",
      message: "Eviction API: evicting",
    });
    markEvicted(evicted, 2_000);
    expect(evicted.status).toEqual(noted);
  });
});

describe("columns", () => {
  const now = Date.parse("2026-01-01T01:00:00Z");
  const running = (fields: object = {}) => ({
    name: "c",
    ready: true,
    restartCount: 0,
    state: { running: {} },
    ...fields,
  });
  const row = (status: object, spec: object = {}, metadata: object = {}) =>
    printedRow(definition, decoded(definition, { ...pod(spec), metadata: { name: "p", ...metadata }, status }), now);

  test.each<[string, object, object, object]>([
    ["pending", { phase: "Pending" }, {}, { Ready: "0/1", Status: "Pending", Restarts: "0", IP: "<none>" }],
    [
      "running",
      { phase: "Running", podIP: "10.0.0.1", containerStatuses: [running()] },
      { nodeName: "n" },
      { Ready: "1/1", Status: "Running", IP: "10.0.0.1", Node: "n" },
    ],
    [
      "restarted",
      {
        phase: "Running",
        containerStatuses: [
          running({ restartCount: 2, lastState: { terminated: { exitCode: 1, finishedAt: "2026-01-01T00:55:00Z" } } }),
        ],
      },
      {},
      { Restarts: "2 (5m ago)" },
    ],
    [
      "waiting",
      {
        phase: "Running",
        containerStatuses: [running({ ready: false, state: { waiting: { reason: "CrashLoopBackOff" } } })],
      },
      {},
      { Ready: "0/1", Status: "CrashLoopBackOff" },
    ],
    [
      "killed by a signal",
      {
        phase: "Failed",
        containerStatuses: [running({ ready: false, state: { terminated: { exitCode: 137, signal: 9 } } })],
      },
      {},
      { Status: "Signal:9" },
    ],
    [
      "failed without a reason",
      { phase: "Failed", containerStatuses: [running({ ready: false, state: { terminated: { exitCode: 3 } } })] },
      {},
      { Status: "ExitCode:3" },
    ],
    ["evicted", { phase: "Failed", reason: "Evicted" }, {}, { Status: "Evicted" }],
    [
      "initializing",
      { phase: "Pending", initContainerStatuses: [{ name: "i", state: { running: {} } }] },
      { initContainers: [{ name: "i", image: "x" }] },
      { Ready: "0/1", Status: "Init:0/1" },
    ],
    [
      "an init container that fails",
      {
        phase: "Pending",
        initContainerStatuses: [{ name: "i", restartCount: 1, state: { terminated: { exitCode: 2 } } }],
      },
      { initContainers: [{ name: "i", image: "x" }] },
      { Status: "Init:ExitCode:2", Restarts: "1" },
    ],
    [
      "a sidecar counts",
      {
        phase: "Running",
        initContainerStatuses: [{ name: "i", started: true, ready: true, state: { running: {} } }],
        containerStatuses: [running()],
      },
      { initContainers: [{ name: "i", image: "x", restartPolicy: "Always" }] },
      { Ready: "2/2", Status: "Running" },
    ],
    [
      "readiness gates",
      { phase: "Running", conditions: [{ type: "x.y/z", status: "True" }] },
      { readinessGates: [{ conditionType: "x.y/z" }, { conditionType: "x.y/w" }] },
      { "Readiness Gates": "1/2" },
    ],
  ])("%s", (_, status, spec, cells) => expect(row(status, spec)).toMatchObject(cells));

  test("being deleted", () => {
    const metadata = { deletionTimestamp: "2026-01-01T00:00:00Z" };
    expect(row({ phase: "Running" }, {}, metadata)).toMatchObject({ Status: "Terminating" });
    expect(row({ phase: "Succeeded" }, {}, metadata)).toMatchObject({ Status: "Succeeded" });
    expect(row({ phase: "Running", reason: "NodeLost" }, {}, metadata)).toMatchObject({ Status: "Unknown" });
  });

  test("a pod that ended carries a condition", () => {
    const ended = decoded(definition, { ...minimal, status: { phase: "Succeeded" } });
    expect(definition.table!.conditions!(ended)[0]).toMatchObject({
      type: "Completed",
      status: "True",
      reason: "Succeeded",
    });
  });
});
