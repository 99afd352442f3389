import { afterAll, describe, expect, it } from "vitest";
import { SimulatedClock, seededRandom } from "../api/simulated.ts";
import { memoryPKI } from "../auth/pki/pki.ts";
import type { Engine } from "../store/engine.ts";
import { memoryEngine } from "../store/engines/memory.ts";
import { type ControlPlane, openControlPlane } from "./control-plane.ts";

const clock = new SimulatedClock();
const random = seededRandom(11);
const pki = await memoryPKI({ clock, random });
const open: ControlPlane[] = [];
afterAll(() => whileTimePasses(Promise.all(open.map((plane) => plane.close()))));

/** An engine that other servers use too: what one of them closes stays open for the rest. */
function shared(): Engine {
  const engine = memoryEngine({ clock });
  return { ...engine, shared: true, close: async () => {} };
}

async function start(engine: Engine): Promise<ControlPlane> {
  const plane = await whileTimePasses(openControlPlane({ engine, pki, clock, random }));
  open.push(plane);
  return plane;
}

/** Moves the clock on until `work` is done; between any two steps everything that can go on does. */
async function whileTimePasses<T>(work: Promise<T>): Promise<T> {
  let done = false;
  const finished = work.finally(() => {
    done = true;
  });
  while (!done) {
    await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(10);
  }
  return finished;
}
const pass = async (seconds: number) => {
  for (let second = 0; second < seconds; second++) {
    await clock.advance(1000);
    await new Promise((resolve) => setImmediate(resolve));
  }
};

const leases = { group: "coordination.k8s.io", version: "v1", resource: "leases" };
const holder = async (plane: ControlPlane) => {
  const lease = await plane.client().resource(leases, "kube-system").get("tenon-availability");
  return lease["spec"].holderIdentity as string;
};

describe("who writes availability", () => {
  it("is one of the servers over a shared store, and another once that one has ended", async () => {
    const engine = shared();
    const first = await start(engine);
    const leader = await holder(first);
    expect(leader).not.toBe("");
    const second = await start(engine);
    await pass(30);
    expect(await holder(second)).toBe(leader);
    await whileTimePasses(first.close());
    await pass(5);
    expect(await holder(second)).not.toBe(leader);
    expect(await holder(second)).not.toBe("");
  });

  it("is nobody's question where the store has one server", async () => {
    const plane = await start(memoryEngine({ clock }));
    await expect(holder(plane)).rejects.toMatchObject({ code: 404 });
  });
});
