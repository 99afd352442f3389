import { describe, expect, test } from "vitest";
import { StatusError } from "../../api/status.ts";
import type { Service } from "../generated/types.ts";
import {
  decoded,
  printedRow,
  rehearsalContext,
  rehearseCreate,
  rehearseUpdate,
  subStrategy,
} from "../rehearse.test-support.ts";
import { services } from "./service.ts";
import { createAddressPool } from "./service-addresses.ts";

const make = () => services({ addresses: createAddressPool({ range: "10.0.0.0/24" }) });
const service = (spec: object, name = "s") => ({ metadata: { name }, spec });
const web = service({ ports: [{ port: 80 }], selector: { a: "b" } });

describe("create", () => {
  test.each<[string, object, object]>([
    [
      "an ordinary one",
      { ports: [{ port: 80 }], selector: { a: "b" } },
      {
        ports: [{ protocol: "TCP", port: 80, targetPort: 80 }],
        selector: { a: "b" },
        clusterIP: "10.0.0.17",
        clusterIPs: ["10.0.0.17"],
        type: "ClusterIP",
        sessionAffinity: "None",
        ipFamilies: ["IPv4"],
        ipFamilyPolicy: "SingleStack",
        internalTrafficPolicy: "Cluster",
      },
    ],
    [
      "headless without a selector is for both families",
      { clusterIP: "None" },
      {
        clusterIP: "None",
        clusterIPs: ["None"],
        type: "ClusterIP",
        sessionAffinity: "None",
        ipFamilies: ["IPv4", "IPv6"],
        ipFamilyPolicy: "RequireDualStack",
        internalTrafficPolicy: "Cluster",
      },
    ],
    [
      "headless with a selector is not",
      { clusterIP: "None", selector: { a: "b" } },
      {
        selector: { a: "b" },
        clusterIP: "None",
        clusterIPs: ["None"],
        type: "ClusterIP",
        sessionAffinity: "None",
        ipFamilies: ["IPv4"],
        ipFamilyPolicy: "SingleStack",
        internalTrafficPolicy: "Cluster",
      },
    ],
    [
      "a name elsewhere",
      { type: "ExternalName", externalName: "foo.bar" },
      { type: "ExternalName", sessionAffinity: "None", externalName: "foo.bar" },
    ],
    [
      "sticky clients",
      { ports: [{ port: 80, targetPort: "http" }], sessionAffinity: "ClientIP", clusterIP: "10.0.0.5" },
      {
        ports: [{ protocol: "TCP", port: 80, targetPort: "http" }],
        clusterIP: "10.0.0.5",
        clusterIPs: ["10.0.0.5"],
        type: "ClusterIP",
        sessionAffinity: "ClientIP",
        sessionAffinityConfig: { clientIP: { timeoutSeconds: 10800 } },
        ipFamilies: ["IPv4"],
        ipFamilyPolicy: "SingleStack",
        internalTrafficPolicy: "Cluster",
      },
    ],
    [
      "behind a load balancer: one node port serves two protocols",
      {
        type: "LoadBalancer",
        externalTrafficPolicy: "Local",
        ports: [
          { port: 80, name: "a" },
          { port: 80, protocol: "UDP", name: "b" },
        ],
      },
      {
        ports: [
          { name: "a", protocol: "TCP", port: 80, targetPort: 80, nodePort: 30086 },
          { name: "b", protocol: "UDP", port: 80, targetPort: 80, nodePort: 30086 },
        ],
        clusterIP: "10.0.0.17",
        clusterIPs: ["10.0.0.17"],
        type: "LoadBalancer",
        sessionAffinity: "None",
        externalTrafficPolicy: "Local",
        healthCheckNodePort: 30087,
        ipFamilies: ["IPv4"],
        ipFamilyPolicy: "SingleStack",
        allocateLoadBalancerNodePorts: true,
        internalTrafficPolicy: "Cluster",
      },
    ],
  ])("%s", (_, spec, expected) => {
    const { object, errors } = rehearseCreate(make(), service(spec));
    expect(errors).toEqual([]);
    expect(object.spec).toEqual(expected);
    expect(object.status).toEqual({ loadBalancer: {} });
  });

  test.each<[string, object, string[]]>([
    [
      "everything at once",
      {
        sessionAffinity: "ClientIP",
        sessionAffinityConfig: { clientIP: { timeoutSeconds: 0 } },
        internalTrafficPolicy: "Foo",
        externalIPs: ["127.0.0.1", "x"],
        loadBalancerClass: "a b",
        externalTrafficPolicy: "Local",
      },
      [
        "spec.ports: Required value",
        "spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 0: must be greater than 0 and less than 86400",
        'spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
        'spec.externalIPs[1]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
        "spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'",
        'spec.internalTrafficPolicy: Unsupported value: "Foo": supported values: "Cluster", "Local"',
      ],
    ],
    [
      "an address for a name elsewhere, and the same port twice",
      { ports: [{ port: 80 }, { port: 80 }], type: "ExternalName", clusterIP: "10.0.0.5" },
      [
        "spec.clusterIPs: Forbidden: may not be set for ExternalName services",
        "spec.externalName: Required value",
        "spec.ports[0].name: Required value",
        "spec.ports[1].name: Required value",
        'spec.ports[1]: Duplicate value: {"Name":"","Protocol":"TCP","AppProtocol":null,"Port":80,"TargetPort":0,"NodePort":0}',
      ],
    ],
    [
      "two stacks in a cluster of one",
      { ports: [{ port: 80 }], ipFamilyPolicy: "RequireDualStack" },
      [
        'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services',
      ],
    ],
    [
      "the other stack",
      { ports: [{ port: 80 }], ipFamilies: ["IPv6"] },
      ['spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster'],
    ],
    [
      "an ambiguous address",
      { ports: [{ port: 80 }], clusterIP: "010.0.0.5" },
      ['spec.clusterIPs[0]: Invalid value: "010.0.0.5": must not have leading 0s'],
    ],
    [
      "an address from elsewhere",
      { ports: [{ port: 80 }], clusterIP: "1.2.3.4" },
      [
        'spec.clusterIPs: Invalid value: ["1.2.3.4"]: failed to allocate IP 1.2.3.4: the provided network does not match the current range',
      ],
    ],
    [
      "headless with node ports",
      { clusterIP: "None", type: "NodePort", ports: [{ port: 80 }], selector: { a: "b" } },
      ["spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services"],
    ],
    [
      "a node port out of range",
      { type: "NodePort", ports: [{ port: 80, nodePort: 80 }] },
      [
        "spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The range of valid ports is 30000-32767",
      ],
    ],
  ])("refuses %s", (_, spec, errors) => expect(rehearseCreate(make(), service(spec)).errors).toEqual(errors));

  test("refuses an address and a node port that another one has", () => {
    const definition = make();
    rehearseCreate(
      definition,
      service({ type: "NodePort", clusterIP: "10.0.0.5", ports: [{ port: 1, nodePort: 30100 }] }, "first"),
    );
    const ports = [{ port: 1, nodePort: 30100 }];
    expect(rehearseCreate(definition, service({ clusterIP: "10.0.0.5", ports: [{ port: 1 }] })).errors).toEqual([
      'spec.clusterIPs: Invalid value: ["10.0.0.5"]: failed to allocate IP 10.0.0.5: provided IP is already allocated',
    ]);
    expect(rehearseCreate(definition, service({ type: "NodePort", ports })).errors).toEqual([
      "spec.ports[0].nodePort: Invalid value: 30100: provided port is already allocated",
    ]);
  });

  test("what it throws is a 422", () => {
    const definition = make();
    const object = decoded(definition, service({ ports: [{ port: 80 }], clusterIP: "1.2.3.4" }));
    expect(() => definition.strategy.prepareForCreate!(object, rehearsalContext())).toThrow(StatusError);
  });
});

describe("update", () => {
  const change = (from: object, edit: (changed: Service) => void) => {
    const definition = make();
    return rehearseUpdate(definition, rehearseCreate(definition, from).object, edit);
  };

  test("what was allocated stays when the client leaves it out", () => {
    const { object, errors } = change(web, (changed) => {
      delete changed.spec.clusterIP;
      delete changed.spec.clusterIPs;
    });
    expect(errors).toEqual([]);
    expect(object.spec).toMatchObject({ clusterIP: "10.0.0.17", clusterIPs: ["10.0.0.17"] });
  });

  test("the address does not change", () => {
    const { errors } = change(web, (changed) => {
      changed.spec.clusterIP = "10.0.0.9";
      changed.spec.clusterIPs = ["10.0.0.9"];
    });
    expect(errors).toEqual(['spec.clusterIPs[0]: Invalid value: ["10.0.0.9"]: may not change once set']);
  });

  test("a name elsewhere gives the address up, and takes one again", () => {
    const away = change(web, (changed) => {
      changed.spec.type = "ExternalName";
      changed.spec.externalName = "x.y";
    });
    expect(away.errors).toEqual([]);
    expect(away.object.spec).toEqual({
      ports: [{ protocol: "TCP", port: 80, targetPort: 80 }],
      selector: { a: "b" },
      type: "ExternalName",
      sessionAffinity: "None",
      externalName: "x.y",
    });
    const back = change(service({ type: "ExternalName", externalName: "x.y" }), (changed) => {
      changed.spec.type = "ClusterIP";
      delete changed.spec.externalName;
      changed.spec.ports = [{ port: 1 }];
    });
    expect(back.errors).toEqual([]);
    expect(back.object.spec).toMatchObject({ clusterIP: "10.0.0.17", ipFamilies: ["IPv4"] });
  });

  test("node ports go with their type", () => {
    const { object, errors } = change(service({ type: "NodePort", ports: [{ port: 80 }] }), (changed) => {
      changed.spec.type = "ClusterIP";
    });
    expect(errors).toEqual([]);
    expect(object.spec.ports).toEqual([{ protocol: "TCP", port: 80, targetPort: 80 }]);
    expect(object.spec.externalTrafficPolicy).toBeUndefined();
  });

  test("status changes the status only", () => {
    const definition = make();
    const stored = rehearseCreate(definition, service({ type: "LoadBalancer", ports: [{ port: 80 }] })).object;
    const edit = (changed: Service) => {
      changed.spec.type = "ClusterIP";
      changed.status = { loadBalancer: { ingress: [{ ip: "1.2.3.4" }] } };
    };
    const { object, errors } = rehearseUpdate(definition, stored, edit, subStrategy(definition, "status"));
    expect(errors).toEqual([]);
    expect(object.spec).toEqual(stored.spec);
    expect(object.status?.loadBalancer?.ingress?.[0]?.ip).toBe("1.2.3.4");
  });
});

describe("the address pool", () => {
  const who = (owner: string, now = 0, dryRun = false) => ({ owner, now, dryRun });

  test("hands out the lowest free address above the part left to people", () => {
    const pool = createAddressPool({ range: "10.0.0.0/24" });
    expect([pool.allocate(who("a")), pool.allocate(who("b"))]).toEqual(["10.0.0.17", "10.0.0.18"]);
    expect(createAddressPool().allocate(who("a"))).toBe("10.96.1.1");
  });

  test("a dry run takes nothing", () => {
    const pool = createAddressPool({ range: "10.0.0.0/24" });
    expect(pool.allocate(who("a", 0, true))).toBe("10.0.0.17");
    expect(pool.claim("10.0.0.17", who("b", 0, true))).toBeUndefined();
    expect(pool.allocate(who("c"))).toBe("10.0.0.17");
  });

  test("claims: an owner may claim again, nobody else, and nothing outside", () => {
    const pool = createAddressPool({ range: "10.0.0.0/24" });
    expect(pool.claim("10.0.0.5", who("a"))).toBeUndefined();
    expect(pool.claim("10.0.0.5", who("a"))).toBeUndefined();
    expect(pool.claim("10.0.0.5", who("b"))).toBe("taken");
    for (const outside of ["10.0.0.0", "10.0.0.255", "10.0.1.1", "x"]) {
      expect(pool.claim(outside, who("a"))).toBe("outside");
    }
  });

  test("is exhausted without repeating an address", () => {
    const pool = createAddressPool({ range: "10.0.0.0/28" });
    const given = Array.from({ length: 15 }, (_, index) => pool.allocate(who(`${index}`)));
    expect(new Set(given.slice(0, 14)).size).toBe(14);
    expect(given[14]).toBeUndefined();
  });

  test("the stored Services are the list: fresh claims lapse, deleted Services free what they had", () => {
    let stored: Service[] = [];
    const pool = createAddressPool({ range: "10.0.0.0/24", services: () => stored });
    expect(pool.allocate(who("ns/a", 0))).toBe("10.0.0.17");
    stored = [{ metadata: { namespace: "ns", name: "a" }, spec: { clusterIPs: ["10.0.0.17"] } } as Service];
    expect(pool.allocate(who("ns/b", 200_000))).toBe("10.0.0.18");
    stored = [];
    expect(pool.allocate(who("ns/c", 400_000))).toBe("10.0.0.17");
  });

  test.each(["x", "10.0.0.0/33", "10.0.0.0", "fd00::/64"])("refuses the range %s", (range) => {
    expect(() => createAddressPool({ range })).toThrow("is no IPv4 CIDR");
  });
});

describe("columns", () => {
  test.each<[object, object, object]>([
    [
      { ports: [{ port: 80 }], selector: { b: "2", a: "1" } },
      {},
      { Type: "ClusterIP", "External-IP": "<none>", "Port(s)": "80/TCP", Selector: "a=1,b=2" },
    ],
    [
      { type: "ExternalName", externalName: "x.y" },
      {},
      { "Cluster-IP": "<none>", "External-IP": "x.y", "Port(s)": "<none>" },
    ],
    [
      { type: "LoadBalancer", ports: [{ port: 80, nodePort: 30100 }] },
      {},
      { "External-IP": "<pending>", "Port(s)": "80:30100/TCP" },
    ],
    [
      { type: "LoadBalancer", ports: [{ port: 80 }], externalIPs: ["9.9.9.9"] },
      { loadBalancer: { ingress: [{ hostname: "h" }, { ip: "1.1.1.1" }] } },
      { "External-IP": "1.1.1.1,h,9.9.9.9" },
    ],
  ])("%j", (spec, status, cells) => {
    const definition = make();
    expect(printedRow(definition, decoded(definition, { ...service(spec), status }))).toMatchObject(cells);
  });
});
