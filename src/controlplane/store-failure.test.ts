/** What a control plane says and does when its store fails it, or holds what it cannot read. */
import { expect, it, vi } from "vitest";
import { SimulatedClock, seededRandom } from "../api/simulated.ts";
import { memoryPKI } from "../auth/pki/pki.ts";
import type { Logger } from "../server/logger.ts";
import type { Engine } from "../store/engine.ts";
import { memoryEngine } from "../store/engines/memory.ts";
import { StoreError } from "../store/errors.ts";
import { LOOPBACK_USER, openControlPlane } from "./control-plane.ts";

const clock = new SimulatedClock();
const random = seededRandom(5);
const pki = await memoryPKI({ clock, random });
const MAPS = { group: "", version: "v1", resource: "configmaps" };

it("a write that fails is answered without details and logged with them; when none is taken any more, the server is unhealthy", async () => {
  let broken: StoreError | undefined;
  const memory = memoryEngine({ clock });
  const engine: Engine = {
    ...memory,
    commit: (write) => (broken === undefined ? memory.commit(write) : Promise.reject(broken)),
    trouble: () => broken,
  };
  const logged: unknown[] = [];
  const note = (fields: Record<string, unknown>) => logged.push(fields["code"]);
  const logger: Logger = { error: note, warn: note, info: () => {}, debug: () => {} };
  const plane = await openControlPlane({ engine, pki, clock, random, logger });
  const client = plane.client();
  const maps = client.resource(MAPS, "default");
  const transport = plane.server.inMemory(LOOPBACK_USER);
  const health = async (path: string) => {
    const { status, body } = await transport.request({ method: "GET", path });
    let text = "";
    for await (const chunk of body) text += Buffer.from(chunk).toString();
    return [status, text];
  };
  expect(await health("/livez/etcd")).toEqual([200, "ok"]);

  broken = new StoreError("STORE_WRITE", "/secret/place/store.sqlite: I/O error");
  await expect(maps.create({ metadata: { name: "a" } })).rejects.toMatchObject({
    status: {
      code: 500,
      reason: "InternalError",
      message: "Internal error occurred: the store could not make the write durable",
    },
  });
  expect(logged).toContain("store");
  expect(logged).not.toContain("request-panic");
  expect(await maps.get("kube-root-ca.crt").catch((error) => error.reason)).toBe("NotFound");
  for (const path of ["/livez", "/readyz", "/healthz"])
    expect(await health(path)).toEqual([500, expect.stringContaining("[-]etcd failed")]);

  broken = new StoreError("STORE_CLOSED", "the writer died");
  await expect(maps.create({ metadata: { name: "a" } })).rejects.toMatchObject({
    status: { code: 503, reason: "ServiceUnavailable", message: "the store is not available" },
  });
  broken = undefined;
  await plane.close();
});

it("a start that fails closes the store", async () => {
  const memory = memoryEngine({ clock });
  const close = vi.fn(() => memory.close());
  const commit = () => Promise.reject(new StoreError("STORE_WRITE", "disk full"));
  const waiting = clock.waiting;
  await expect(openControlPlane({ engine: { ...memory, commit, close }, pki, clock, random })).rejects.toThrow();
  expect(close).toHaveBeenCalledOnce();
  expect(clock.waiting).toBe(waiting);
});

it("starts beside trust of others that nobody can read, and publishes once it was repaired", async () => {
  const memory = memoryEngine({ clock });
  const engine: Engine = { ...memory, close: async () => {} };
  const trust = { name: "extension-apiserver-authentication", field: "requestheader-allowed-names" };
  const first = await openControlPlane({ engine, pki, clock, random });
  const before = await first.client().resource(MAPS, "kube-system").get(trust.name);
  const spoilt = { ...before, data: { ...before["data"], [trust.field]: "no JSON" } };
  const { metadata } = await first.client().resource(MAPS, "kube-system").update(spoilt);
  await first.close();

  const logged: unknown[] = [];
  const warn = (fields: Record<string, unknown>) => logged.push(fields["code"]);
  const logger: Logger = { error: warn, warn, info: () => {}, debug: () => {} };
  const second = await openControlPlane({ engine, pki, clock, random, logger });
  expect(logged).toEqual(["trust"]);
  const maps = second.client().resource(MAPS, "kube-system");
  await maps.update({ ...before, metadata, data: {} });
  await clock.advance(1000);
  await vi.waitFor(async () => expect((await maps.get(trust.name))["data"]).toEqual(before["data"]));
  await second.close();
});
