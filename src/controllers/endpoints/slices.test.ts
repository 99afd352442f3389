import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Pod } from "../objects.ts";
import { type Endpoint, groupsOf, type Port, type Service, subsetsOf } from "./addresses.ts";
import { type EndpointSlice, labelsOf, sliceChanges } from "./slices.ts";

const service: Service = {
  metadata: { name: "s", namespace: "n", labels: { a: "b", "kubernetes.io/service-name": "not mine" } },
  spec: { selector: { x: "y" }, ports: [{ name: "", port: 80, targetPort: 8080, protocol: "TCP" }] },
};
const PORTS: readonly Port[] = [{ name: "", port: 8080, protocol: "TCP" }];

const endpoint = (index: number, ready = true): Endpoint => ({
  addresses: [`10.0.${index >> 8}.${index & 255}`],
  conditions: { ready, serving: ready, terminating: false },
  targetRef: { kind: "Pod", namespace: "n", name: `p${index}`, uid: `u${index}` },
});

/** Slices as they are after the changes were written. */
class Written {
  slices: EndpointSlice[] = [];
  #made = 0;

  apply(endpoints: readonly Endpoint[], ports = PORTS): number {
    const groups = endpoints.length > 0 ? [{ ports, endpoints }] : [];
    const { create, update, remove } = sliceChanges(service, this.slices, groups);
    const gone = new Set(remove.map(({ metadata }) => metadata.name));
    const fresh = new Map(update.map((slice) => [slice.metadata.name, slice]));
    this.slices = this.slices
      .filter(({ metadata }) => !gone.has(metadata.name))
      .map((slice) => fresh.get(slice.metadata.name) ?? slice);
    for (const { ports: own, endpoints: held } of create) {
      const metadata = { name: `s-${this.#made++}`, labels: labelsOf(service) };
      this.slices.push({ metadata, addressType: "IPv4", endpoints: [...held], ports: [...own] });
    }
    return create.length + update.length + remove.length;
  }

  get sizes(): number[] {
    return this.slices.map((slice) => slice.endpoints?.length ?? 0);
  }
}

const range = (count: number) => Array.from({ length: count }, (_, index) => endpoint(index));

describe("slices", () => {
  it("hold a hundred each, and one write does for one change", () => {
    const written = new Written();
    expect(written.apply(range(250))).toBe(3);
    expect(written.sizes).toEqual([100, 100, 50]);
    expect(written.apply(range(251))).toBe(1);
    expect(written.apply(range(251))).toBe(0);
    const changed = range(251);
    changed[120] = endpoint(120, false);
    expect(written.apply(changed)).toBe(1);
  });

  it("of a Service without endpoints: one that is empty, and it stays", () => {
    const written = new Written();
    expect(written.apply([])).toBe(1);
    expect(written.slices[0]).toMatchObject({ endpoints: [], ports: [] });
    expect(written.apply([])).toBe(0);
    written.apply(range(1));
    expect(written.sizes).toEqual([1]);
    written.apply([]);
    expect(written.sizes).toEqual([0]);
  });

  it("carry the Service's labels, but not those that are reserved", () => {
    expect(labelsOf(service)).toEqual({
      a: "b",
      "kubernetes.io/service-name": "s",
      "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    });
  });

  it("hold exactly what they should after any changes, and nothing is left to write", () => {
    const step = fc.array(fc.tuple(fc.integer({ min: 0, max: 400 }), fc.boolean()), { maxLength: 300 });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 6 }), (script) => {
        const written = new Written();
        for (const pods of script) {
          const wanted = new Map(pods.map(([index, ready]) => [`u${index}`, endpoint(index, ready)]));
          written.apply([...wanted.values()]);
          const held = written.slices.flatMap((slice) => slice.endpoints ?? []);
          expect(new Map(held.map((one) => [one.targetRef.uid, one]))).toEqual(wanted);
          expect(held).toHaveLength(wanted.size);
          expect(Math.max(...written.sizes)).toBeLessThanOrEqual(100);
          expect(written.apply([...wanted.values()])).toBe(0);
        }
      }),
      { numRuns: 50 },
    );
  });
});

describe("addresses", () => {
  const pod = (name: string, ip: string, ready: boolean, more: object = {}): Pod => ({
    metadata: { name, namespace: "n", uid: name, ...more },
    spec: { nodeName: "node" },
    status: { podIP: ip, podIPs: [{ ip }], conditions: [{ type: "Ready", status: ready ? "True" : "False" }] },
  });
  const pods = [pod("b", "10.0.0.2", true), pod("a", "10.0.0.1", true), pod("c", "10.0.0.3", false)];

  it("of the older kind are one subset, ready and not, in order", () => {
    const target = (name: string) => ({
      nodeName: "node",
      targetRef: { kind: "Pod", namespace: "n", name, uid: name },
    });
    expect(
      subsetsOf(service, [...pods, pod("d", "10.0.0.4", true, { deletionTimestamp: "2026-01-01T00:00:00Z" })]),
    ).toEqual([
      {
        addresses: [
          { ip: "10.0.0.1", ...target("a") },
          { ip: "10.0.0.2", ...target("b") },
        ],
        notReadyAddresses: [{ ip: "10.0.0.3", ...target("c") }],
        ports: [{ port: 8080, protocol: "TCP" }],
      },
    ]);
  });

  it("of a pod that has ended, has none, or whose node is not there, are left out", () => {
    const ended = { ...pods[0]!, status: { ...pods[0]!.status, phase: "Succeeded" } };
    expect(groupsOf(service, [ended, { metadata: {}, status: {} }], "IPv4", () => ({ metadata: {} }))).toEqual([]);
    expect(groupsOf(service, pods, "IPv4", () => undefined)).toEqual([]);
    const publishing = { ...service, spec: { ...service.spec, publishNotReadyAddresses: true } };
    const [group] = groupsOf(publishing, pods, "IPv4", () => undefined);
    expect(group?.endpoints.map(({ conditions }) => conditions.ready)).toEqual([true, true, true]);
    expect(groupsOf(service, pods, "IPv6", () => ({ metadata: {} }))).toEqual([]);
  });
});
