/** Several servers over one store act as one: no address is given twice, and all are found under `default/kubernetes`. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { KubeObject } from "../api/meta.ts";
import { SimulatedClock, seededRandom } from "../api/simulated.ts";
import { memoryPKI } from "../auth/pki/pki.ts";
import type { Client } from "../client/client.ts";
import type { Engine } from "../store/engine.ts";
import { memoryEngine } from "../store/engines/memory.ts";
import { type ControlPlane, openControlPlane } from "./control-plane.ts";

const clock = new SimulatedClock();
const pki = await memoryPKI({ clock, random: seededRandom(1) });
const services = { group: "", version: "v1", resource: "services" };

/** Moves the clock on until `work` is done; between any two steps everything that can go on does. */
async function whileTimePasses<T>(work: Promise<T>, step = 10): Promise<T> {
  let done = false;
  const finished = work.finally(() => {
    done = true;
  });
  while (!done) {
    await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(step);
  }
  return finished;
}
const pass = (seconds: number) => whileTimePasses(clock.sleep(seconds * 1000), 250);

const planes: ControlPlane[] = [];
let engine: Engine;

beforeAll(async () => {
  const memory = memoryEngine({ clock });
  // What one of them closes stays open for the rest.
  engine = { ...memory, shared: true, close: async () => {} };
  for (let server = 0; server < 2; server++) {
    // The same chance for both: they choose the same addresses, in the same order.
    const options = { engine, pki, clock, random: seededRandom(7), allowLoopbackEndpoints: true };
    planes.push(await whileTimePasses(openControlPlane(options)));
  }
});
afterAll(() => whileTimePasses(Promise.all(planes.map((plane) => plane.close()))));

const clients = () => planes.map((plane) => plane.client()) as [Client, Client];
const service = (name: string, spec: object = {}): KubeObject => ({
  metadata: { name },
  spec: { ports: [{ port: 80 }], type: "NodePort", ...spec },
});
const create = (client: Client, object: KubeObject) => client.resource(services, "default").create(object);
const held = (object: KubeObject) => ({
  address: object["spec"].clusterIP as string,
  port: object["spec"].ports[0].nodePort as number,
});

describe("cluster addresses and node ports", () => {
  it("are each given once, although both servers choose the same at the same time", async () => {
    const [one, other] = clients();
    const made = await Promise.all(
      Array.from({ length: 30 }, (_, index) => create(index % 2 === 0 ? one : other, service(`many-${index}`))),
    );
    const all = made.map(held);
    expect(new Set(all.map(({ address }) => address)).size).toBe(30);
    expect(new Set(all.map(({ port }) => port)).size).toBe(30);
    // What was answered is what is stored, also through the other one.
    const { items } = await other.resource(services, "default").list();
    const stored = new Map(items.map((item) => [item.metadata.name, held(item)]));
    expect(made.map(({ metadata }) => stored.get(metadata.name))).toEqual(all);
  });

  it("that two ask for by number are one's: the other hears that it is taken", async () => {
    const [one, other] = clients();
    const wanted = { clusterIP: "10.96.0.77", ports: [{ port: 80, nodePort: 30_077 }] };
    const results = await Promise.allSettled([
      create(one, service("asked-a", wanted)),
      create(other, service("asked-b", wanted)),
    ]);
    expect(results.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    const { reason } = results.find((result) => result.status === "rejected")!;
    expect(reason.status).toMatchObject({ code: 422 });
    expect(reason.status.message).toContain("failed to allocate IP 10.96.0.77: provided IP is already allocated");
    const port = { clusterIP: "10.96.0.78", ports: [{ port: 80, nodePort: 30_077 }] };
    await expect(create(other, service("asked-c", port))).rejects.toThrow("provided port is already allocated");
  });

  it("are free as soon as their Service is gone, for the other server too", async () => {
    const [one, other] = clients();
    const wanted = { clusterIP: "10.96.0.88", ports: [{ port: 80, nodePort: 30_088 }] };
    await create(one, service("first", wanted));
    await one.resource(services, "default").delete("first");
    expect(held(await create(other, service("second", wanted)))).toEqual({ address: "10.96.0.88", port: 30_088 });
    const changed = await one.resource(services, "default").get("second");
    await one.resource(services, "default").update({
      ...changed,
      spec: { ...changed["spec"], type: "ClusterIP", ports: [{ port: 80 }] },
    });
    const port = { ports: [{ port: 80, nodePort: 30_088 }] };
    expect(held(await create(other, service("third", port))).port).toBe(30_088);
  });

  it("a dry run takes nothing", async () => {
    const [one, other] = clients();
    const wanted = { clusterIP: "10.96.0.99" };
    await one.resource(services, "default").create(service("dry", wanted), { dryRun: true });
    expect(held(await create(other, service("wet", wanted))).address).toBe("10.96.0.99");
  });

  it("leave no keys behind: a claim whose Service is gone is swept, one that is held stays", async () => {
    const [one] = clients();
    const keys = () => [...planes[0]!.state.view().range("/registry/tenon/addresses/")].map(({ key }) => key);
    await create(one, service("short", { clusterIP: "10.96.0.111" }));
    await one.resource(services, "default").delete("short");
    expect(keys()).toContain("/registry/tenon/addresses/10.96.0.111");
    await pass(21 * 60);
    expect(keys()).not.toContain("/registry/tenon/addresses/10.96.0.111");
    expect(keys()).toContain("/registry/tenon/addresses/10.96.0.99");
  });
});

describe("default/kubernetes", () => {
  const endpoints = { group: "", version: "v1", resource: "endpoints" };
  const slices = { group: "discovery.k8s.io", version: "v1", resource: "endpointslices" };
  const shown = async () => {
    const object = await planes[0]!.client().resource(endpoints, "default").get("kubernetes");
    const subsets = object["subsets"] as { addresses: { ip: string }[]; ports: { port: number }[] }[];
    return subsets.flatMap(({ addresses, ports }) => addresses.map(({ ip }) => `${ip}:${ports[0]!.port}`)).sort();
  };
  const sliced = async () => {
    const { items } = await planes[0]!.client().resource(slices, "default").list();
    return items
      .flatMap((item) =>
        item["endpoints"].map((one: { addresses: string[] }) => `${one.addresses[0]}:${item["ports"][0].port}`),
      )
      .sort();
  };

  it("names both, and only the one that is left; a server of upstream with its key beside", async () => {
    const ports: number[] = [];
    for (const plane of planes) ports.push((await plane.listen({ host: "127.0.0.1", port: 0 })).port);
    await pass(2);
    const both = ports.map((port) => `127.0.0.1:${port}`).sort();
    expect(await shown()).toEqual(both);
    expect(await sliced()).toEqual(both);
    // Upstream's keys are named by the address alone, and do not say a port: it is taken to be the same as ours.
    const value = Buffer.from(
      '{"kind":"Endpoints","apiVersion":"v1","metadata":{},"subsets":[{"addresses":[{"ip":"192.0.2.7"}]}]}',
    );
    await planes[0]!.state.commit({ key: "/registry/masterleases/192.0.2.7", expected: 0, value, ttlSeconds: 15 });
    await pass(2);
    expect((await shown()).filter((text) => text.startsWith("192.0.2.7:"))).toHaveLength(1);
    await whileTimePasses(planes[1]!.close(), 100);
    await pass(2);
    expect((await shown()).filter((text) => text.startsWith("127."))).toEqual([`127.0.0.1:${ports[0]}`]);
    // Its key lapses with nobody to renew it.
    await pass(20);
    expect(await shown()).toEqual([`127.0.0.1:${ports[0]}`]);
    expect(await sliced()).toEqual([`127.0.0.1:${ports[0]}`]);
  }, 60_000);
});
