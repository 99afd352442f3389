import { describe, expect, it } from "vitest";
import { seededRandom } from "../api/simulated.ts";
import { listerRegistry } from "../client/lister-registry.ts";
import type { EndpointSlice, Service } from "../kinds/generated/types.ts";
import { refusedAddress } from "./addresses.ts";
import { indexEndpointSlices } from "./endpoint-slices.ts";
import { address, createServiceResolver, type ResolverOptions } from "./resolver.ts";

type Spec = Partial<Service["spec"]>;
interface Slice {
  readonly type?: string;
  readonly port?: { name?: string; port?: number };
  readonly endpoints?: readonly (readonly [address: string, ready?: boolean])[];
  readonly label?: string;
}

const service = (spec: Spec): Service => ({
  metadata: { name: "s", namespace: "n", resourceVersion: "1" },
  spec: { type: "ClusterIP", clusterIP: "10.0.0.1", ports: [{ port: 443 }], ...spec },
});

const slice = (
  { type = "IPv4", port = { name: "", port: 8443 }, endpoints = [["10.1.0.1"]], label = "s" }: Slice,
  index = 0,
) =>
  ({
    metadata: {
      name: `slice-${index}`,
      namespace: "n",
      resourceVersion: "1",
      ...(label !== "" && { labels: { "kubernetes.io/service-name": label } }),
    },
    addressType: type,
    ports: [port],
    endpoints: endpoints.map(([ip, ready]) => ({ addresses: [ip], conditions: ready === undefined ? {} : { ready } })),
  }) as EndpointSlice;

function setup(
  mode: ResolverOptions["mode"],
  spec: Spec | undefined,
  slices: readonly Slice[],
  more: Partial<ResolverOptions> = {},
) {
  const services = listerRegistry<Service>(() => {});
  const lister = listerRegistry<EndpointSlice>(() => {});
  services.replace(spec === undefined ? [] : [service(spec)]);
  lister.replace(slices.map(slice));
  const resolve = createServiceResolver({
    services,
    slices: indexEndpointSlices(lister),
    mode,
    random: seededRandom(3),
    ...more,
  });
  return { services, lister, resolve: (port = 443) => resolve("n", "s", port).authority, raw: resolve };
}

const error = (call: () => unknown) => {
  try {
    return `resolved ${call()}`;
  } catch (failure) {
    return (failure as Error).message;
  }
};

describe("cluster-IP mode", () => {
  it.each<[string, Spec | undefined, number, string]>([
    ["missing service", undefined, 443, 'services "s" not found'],
    ["IP and port", {}, 443, "resolved 10.0.0.1:443"],
    ["IPv6", { clusterIP: "fd00::1" }, 443, "resolved [fd00::1]:443"],
    ["another port", {}, 444, 'no service port 444 found for service "s"'],
    ["headless", { clusterIP: "None" }, 443, 'cannot route to service with ClusterIP "None"'],
    ["NodePort", { type: "NodePort" }, 443, "resolved 10.0.0.1:443"],
    ["LoadBalancer", { type: "LoadBalancer" }, 443, "resolved 10.0.0.1:443"],
    ["ExternalName, any port", { type: "ExternalName", externalName: "x.example" }, 8443, "resolved x.example:8443"],
    ["unknown type", { type: "Odd" }, 443, 'unsupported service type "Odd"'],
    ["loopback IP", { clusterIP: "127.0.0.1" }, 443, 'cannot route to service "s": 127.0.0.1 is a loopback address'],
    [
      "external loopback IP",
      { type: "ExternalName", externalName: "::1" },
      443,
      'cannot route to service "s": ::1 is a loopback address',
    ],
  ])("%s", (_, spec, port, expected) => {
    expect(error(() => setup("cluster-ip", spec, []).resolve(port))).toBe(expected);
  });
});

describe("endpoint mode", () => {
  it.each<[string, Spec | undefined, readonly Slice[], string]>([
    ["missing service", undefined, [], 'services "s" not found'],
    ["target port, not service port", {}, [{}], "resolved 10.1.0.1:8443"],
    ["headless works", { clusterIP: "None" }, [{}], "resolved 10.1.0.1:8443"],
    ["ExternalName", { type: "ExternalName", externalName: "x" }, [{}], 'unsupported service type "ExternalName"'],
    ["no slices", {}, [], 'no endpoints available for service "s"'],
    ["slice without the label", {}, [{ label: "" }], 'no endpoints available for service "s"'],
    ["slice of another service", {}, [{ label: "t" }], 'no endpoints available for service "s"'],
    [
      "port by name",
      { ports: [{ port: 443, name: "https" }] },
      [{ port: { name: "https", port: 6443 } }],
      "resolved 10.1.0.1:6443",
    ],
    ["port of another name", {}, [{ port: { name: "https", port: 6443 } }], 'no endpoints available for service "s"'],
    ["port without a name", {}, [{ port: { port: 6443 } }], 'no endpoints available for service "s"'],
    ["port without a number", {}, [{ port: { name: "" } }], 'no endpoints available for service "s"'],
    ["only not ready", {}, [{ endpoints: [["10.1.0.1", false]] }], 'no endpoints available for service "s"'],
    [
      "the ready one",
      {},
      [
        {
          endpoints: [
            ["10.1.0.1", false],
            ["10.1.0.2", true],
          ],
        },
      ],
      "resolved 10.1.0.2:8443",
    ],
    ["IPv6", {}, [{ type: "IPv6", endpoints: [["fd00::5"]] }], "resolved [fd00::5]:8443"],
    [
      "loopback endpoint",
      {},
      [{ endpoints: [["127.0.0.1"]] }],
      'cannot route to service "s": 127.0.0.1 is a loopback address',
    ],
    [
      "link-local endpoint",
      {},
      [{ endpoints: [["169.254.169.254"]] }],
      'cannot route to service "s": 169.254.169.254 is a linkLocal address',
    ],
  ])("%s", (_, spec, slices, expected) => {
    expect(error(() => setup("endpoint", spec, slices).resolve())).toBe(expected);
  });

  it("spreads over all ready endpoints, of all slices", () => {
    const { resolve } = setup("endpoint", {}, [
      { endpoints: [["10.1.0.1"], ["10.1.0.2"], ["10.1.0.3", false]] },
      { endpoints: [["10.1.0.4"]] },
    ]);
    const seen = new Set(Array.from({ length: 200 }, () => resolve()));
    expect([...seen].sort()).toEqual(["10.1.0.1:8443", "10.1.0.2:8443", "10.1.0.4:8443"]);
  });

  it("the service's first IP family goes first, for as long as it has endpoints", () => {
    const six: Slice = { type: "IPv6", endpoints: [["fd00::5"]] };
    const both = setup("endpoint", { ipFamilies: ["IPv6", "IPv4"] }, [{}, six, {}]);
    expect(new Set(Array.from({ length: 50 }, () => both.resolve()))).toEqual(new Set(["[fd00::5]:8443"]));
    const dead = setup("endpoint", { ipFamilies: ["IPv6"] }, [{}, { ...six, endpoints: [["fd00::5", false]] }]);
    expect(dead.resolve()).toBe("10.1.0.1:8443");
  });

  it("follows changes of slices", () => {
    const { resolve, lister } = setup("endpoint", {}, [{}]);
    const moved = slice({ label: "t" });
    moved.metadata.resourceVersion = "2";
    lister.apply("MODIFIED", moved);
    expect(error(() => resolve())).toContain("no endpoints");
    lister.apply("ADDED", slice({ endpoints: [["10.1.0.9"]] }, 1));
    expect(resolve()).toBe("10.1.0.9:8443");
    lister.apply("DELETED", slice({}, 1));
    expect(error(() => resolve())).toContain("no endpoints");
  });
});

it("loopback endpoints are allowed where they are wanted", () => {
  const { resolve } = setup("endpoint", {}, [{ endpoints: [["127.0.0.1"]] }], { allowLoopbackEndpoints: true });
  expect(resolve()).toBe("127.0.0.1:8443");
});

it("default/kubernetes:443 is this server", () => {
  const { raw } = setup("cluster-ip", {}, [], { loopback: () => address("127.0.0.1", 6443) });
  expect(raw("default", "kubernetes", 443).authority).toBe("127.0.0.1:6443");
  expect(error(() => raw("default", "kubernetes", 444))).toBe('services "kubernetes" not found');
  expect(error(() => raw("other", "kubernetes", 443))).toBe('services "kubernetes" not found');
});

it.each([
  ["127.0.0.1", true],
  ["127.255.0.9", true],
  ["::1", true],
  ["[::1]", true],
  ["::ffff:127.0.0.1", true],
  ["0.0.0.0", true],
  ["::", true],
  ["169.254.169.254", true],
  ["fe80::1", true],
  ["fe80::1%eth0", true],
  ["10.0.0.1%1", true],
  ["224.0.0.1", true],
  ["255.255.255.255", true],
  ["10.0.0.1", false],
  ["192.168.1.1", false],
  ["8.8.8.8", false],
  ["fd00::1", false],
  ["example.com", false],
])("address %s refused: %s", (ip, refused) => {
  expect(refusedAddress(ip) !== undefined).toBe(refused);
});
