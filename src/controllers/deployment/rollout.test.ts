import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { alreadyExists, type StatusError } from "../../api/status.ts";
import { conditionOf, type Deployment, type ReplicaSet } from "../objects.ts";
import { HASH_LABEL, sameTemplate, templateHash } from "./hash.ts";
import { REVISION } from "./revisions.ts";
import { type RolloutWorld, rollout } from "./rollout.ts";
import { maxSurge, maxUnavailable, sizeOf, totalSize, wanted } from "./sizes.ts";
import { isComplete } from "./status.ts";

const START = Date.UTC(2026, 0, 1);

/** A cluster of one Deployment: sets get the pods they ask for when told to, pods get ready when told to. */
class Cluster {
  now = START;
  deployment: Deployment;
  readonly sets = new Map<string, ReplicaSet>();
  readonly events: string[] = [];
  /** Per set: available pods among its pods. */
  readonly available = new Map<string, number>();
  #created = 0;

  constructor(spec: Partial<Deployment["spec"]> = {}) {
    this.deployment = {
      metadata: { name: "web", namespace: "n", uid: "d", generation: 1 },
      spec: {
        replicas: 4,
        selector: { matchLabels: { app: "web" } },
        template: { metadata: { labels: { app: "web" } }, spec: { nodeName: "v1" } },
        strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: "25%", maxUnavailable: "25%" } },
        revisionHistoryLimit: 2,
        progressDeadlineSeconds: 600,
        ...spec,
      },
    };
  }

  change(spec: Partial<Deployment["spec"]>): void {
    const { metadata } = this.deployment;
    this.deployment = {
      ...this.deployment,
      metadata: { ...metadata, generation: (metadata.generation ?? 0) + 1 },
      spec: { ...this.deployment.spec, ...spec },
    };
  }

  template(version: string): void {
    this.change({ template: { metadata: { labels: { app: "web" } }, spec: { nodeName: version } } });
  }

  get list(): ReplicaSet[] {
    return [...this.sets.values()];
  }

  set(version: string): ReplicaSet | undefined {
    return this.list.find((set) => set.spec.template?.spec?.nodeName === version);
  }

  world(): RolloutWorld {
    return {
      now: this.now,
      findSet: (name) => this.sets.get(name),
      othersRun: (current) => this.list.some((set) => set !== current && (set.status?.replicas ?? 0) > 0),
      createSet: async (set) => {
        const { name = "" } = set.metadata;
        if (this.sets.has(name)) throw taken(name);
        const creationTimestamp = new Date(START + 1000 * this.#created++).toISOString();
        const made = { ...set, metadata: { ...set.metadata, uid: `uid of ${name}`, generation: 1, creationTimestamp } };
        this.sets.set(name, made);
        return made;
      },
      updateSet: async (set) => {
        const generation = (set.metadata.generation ?? 0) + 1;
        const updated = { ...set, metadata: { ...set.metadata, generation } };
        this.sets.set(set.metadata.name ?? "", updated);
        return updated;
      },
      deleteSet: async (set) => void this.sets.delete(set.metadata.name ?? ""),
      updateStatus: async (deployment) => {
        this.deployment = deployment;
        return deployment;
      },
      event: (type, reason, message) => this.events.push(`${type} ${reason} ${message}`),
    };
  }

  step(): Promise<number | undefined> {
    return rollout(this.deployment, this.list, this.world());
  }

  /** The set has as many pods as it asks for, and so many of them are available. */
  pods(set: ReplicaSet, available: number): void {
    const replicas = sizeOf(set);
    const fit = Math.min(replicas, available);
    const observedGeneration = set.metadata.generation ?? 0;
    const status = { replicas, readyReplicas: fit, availableReplicas: fit, terminatingReplicas: 0, observedGeneration };
    this.sets.set(set.metadata.name ?? "", { ...set, status });
  }

  async settle(steps = 60): Promise<void> {
    for (let round = 0; round < steps; round++) {
      this.now += 1000;
      await this.step();
      for (const set of this.list) this.pods(set, sizeOf(set));
    }
  }

  condition(type: string) {
    const { status, reason, message } = conditionOf(this.deployment.status?.conditions, type) ?? {};
    return [status, reason, message];
  }
}

const taken = (name: string): StatusError => alreadyExists({ group: "apps", resource: "replicasets" }, name);

/** What is there for certain once the sets have shrunk to their sizes: they give up what is not available first. */
const certain = (sets: readonly ReplicaSet[]) =>
  sets.reduce((sum, set) => sum + Math.min(sizeOf(set), set.status?.availableReplicas ?? 0), 0);

const bound = fc.oneof(
  fc.integer({ min: 0, max: 4 }),
  fc.integer({ min: 0, max: 100 }).map((percent) => `${percent}%`),
);
type Move = { readonly move: "template" | "scale" | "pods" | "step"; readonly value: number };
const moves = fc.array(
  fc.record<Move>({
    move: fc.constantFrom("template", "scale", "pods", "pods", "step", "step", "step"),
    value: fc.integer({ min: 0, max: 12 }),
  }),
  { maxLength: 60 },
);

describe("a rolling update", () => {
  it("never has more pods nor fewer available ones than allowed, whatever happens, and comes to its end", async () => {
    await fc.assert(
      fc.asyncProperty(
        bound,
        bound,
        fc.integer({ min: 0, max: 12 }),
        moves,
        async (surge, unavailable, size, script) => {
          const rollingUpdate = { maxSurge: surge, maxUnavailable: unavailable };
          const cluster = new Cluster({ replicas: size, strategy: { type: "RollingUpdate", rollingUpdate } });
          for (const { move, value } of script) {
            cluster.now += 1000;
            if (move === "template") cluster.template(`v${value % 3}`);
            else if (move === "scale") cluster.change({ replicas: value });
            else if (move === "pods") {
              const set = cluster.list[value % Math.max(1, cluster.list.length)];
              if (set !== undefined) cluster.pods(set, value);
            } else {
              const before = cluster.list;
              const { deployment } = cluster;
              const resizing = before.some(
                (set) =>
                  sizeOf(set) > 0 &&
                  set.metadata.annotations?.["deployment.kubernetes.io/desired-replicas"] !==
                    String(wanted(deployment)),
              );
              await cluster.step();
              const most = wanted(deployment) + maxSurge(deployment);
              expect(totalSize(cluster.list)).toBeLessThanOrEqual(Math.max(totalSize(before), most));
              const least = wanted(deployment) - maxUnavailable(deployment);
              if (!resizing) expect(certain(cluster.list)).toBeGreaterThanOrEqual(Math.min(certain(before), least));
            }
          }
          await cluster.settle();
          expect(isComplete(cluster.deployment, cluster.deployment.status)).toBe(true);
          const running = cluster.list.filter((set) => sizeOf(set) > 0);
          expect(totalSize(running)).toBe(wanted(cluster.deployment));
          expect(running.every((set) => sameTemplate(set.spec.template ?? {}, cluster.deployment.spec.template))).toBe(
            true,
          );
          expect(cluster.condition("Progressing").slice(0, 2)).toEqual(["True", "NewReplicaSetAvailable"]);
          expect(cluster.list.length).toBeLessThanOrEqual(3);
          // Nothing is left to do.
          const { deployment } = cluster;
          await cluster.step();
          expect(cluster.deployment).toBe(deployment);
        },
      ),
      { numRuns: 300 },
    );
  });

  it("goes one step at a time, and says so", async () => {
    const cluster = new Cluster();
    await cluster.settle(3);
    const first = cluster.set("v1")!;
    expect(first.metadata.name).toBe(`web-${first.metadata.labels?.[HASH_LABEL]}`);
    expect(first.spec.selector.matchLabels).toEqual({ app: "web", [HASH_LABEL]: first.metadata.labels?.[HASH_LABEL] });
    expect(first.metadata.annotations).toEqual({
      [REVISION]: "1",
      "deployment.kubernetes.io/desired-replicas": "4",
      "deployment.kubernetes.io/max-replicas": "5",
    });
    cluster.events.length = 0;
    cluster.template("v2");
    await cluster.settle(20);
    const second = cluster.set("v2")!.metadata.name;
    const said = cluster.events.map((event) => event.replace("Normal ScalingReplicaSet Scaled ", ""));
    expect(said).toEqual([
      `up replica set ${second} from 0 to 1`,
      `down replica set ${first.metadata.name} from 4 to 3`,
      `up replica set ${second} from 1 to 2`,
      `down replica set ${first.metadata.name} from 3 to 1`,
      `up replica set ${second} from 2 to 4`,
      `down replica set ${first.metadata.name} from 1 to 0`,
    ]);
    expect(cluster.deployment.metadata.annotations).toEqual({ [REVISION]: "2" });
    expect(cluster.condition("Progressing")).toEqual([
      "True",
      "NewReplicaSetAvailable",
      `ReplicaSet "${second}" has successfully progressed.`,
    ]);
  });

  it("back to an earlier template uses its set again, with a new revision and the old one in its history", async () => {
    const cluster = new Cluster();
    await cluster.settle(5);
    cluster.template("v2");
    await cluster.settle(20);
    cluster.template("v1");
    await cluster.settle(20);
    expect(cluster.list).toHaveLength(2);
    expect(cluster.set("v1")?.metadata.annotations).toMatchObject({
      [REVISION]: "3",
      "deployment.kubernetes.io/revision-history": "1",
    });
    expect(cluster.deployment.metadata.annotations?.[REVISION]).toBe("3");
  });

  it("keeps as many old sets as the limit says", async () => {
    const cluster = new Cluster({ revisionHistoryLimit: 1 });
    for (const version of ["v1", "v2", "v3", "v4"]) {
      cluster.template(version);
      await cluster.settle(20);
    }
    expect(cluster.list.map((set) => set.spec.template?.spec?.nodeName)).toEqual(["v3", "v4"]);
  });

  it("spreads a change of size over its sets by their shares", async () => {
    const strategy = { type: "RollingUpdate", rollingUpdate: { maxSurge: 3, maxUnavailable: 2 } };
    const cluster = new Cluster({ replicas: 10, strategy });
    await cluster.settle(5);
    cluster.template("v2");
    await cluster.step();
    expect(cluster.list.map(sizeOf)).toEqual([8, 3]);
    cluster.pods(cluster.set("v2")!, 0);
    await cluster.step();
    expect(cluster.list.map(sizeOf)).toEqual([8, 5]);
    cluster.change({ replicas: 15 });
    await cluster.step();
    // The textbook's example: of the five more, three and two.
    expect(cluster.list.map(sizeOf)).toEqual([11, 7]);
  });

  it("reports that it is late, and when to look again", async () => {
    const cluster = new Cluster({ progressDeadlineSeconds: 60 });
    await cluster.step();
    for (const set of cluster.list) cluster.pods(set, 0);
    await cluster.step();
    expect(await cluster.step()).toBe(61_000);
    cluster.now += 62_000;
    await cluster.step();
    const name = cluster.list[0]!.metadata.name;
    expect(cluster.condition("Progressing")).toEqual([
      "False",
      "ProgressDeadlineExceeded",
      `ReplicaSet "${name}" has timed out progressing.`,
    ]);
    expect(cluster.condition("Available").slice(0, 2)).toEqual(["False", "MinimumReplicasUnavailable"]);
    await cluster.settle(5);
    expect(cluster.condition("Progressing").slice(0, 2)).toEqual(["True", "NewReplicaSetAvailable"]);
  });

  it("stops while it is paused, but for its size", async () => {
    const cluster = new Cluster();
    await cluster.settle(5);
    cluster.template("v2");
    cluster.change({ paused: true });
    await cluster.settle(5);
    expect(cluster.list).toHaveLength(1);
    expect(cluster.condition("Progressing")).toEqual(["Unknown", "DeploymentPaused", "Deployment is paused"]);
    cluster.change({ replicas: 6 });
    await cluster.settle(3);
    expect(cluster.list.map(sizeOf)).toEqual([6]);
    cluster.change({ paused: false });
    await cluster.step();
    expect(cluster.list).toHaveLength(2);
    await cluster.settle(20);
    expect(cluster.list.map(sizeOf)).toEqual([0, 6]);
  });

  it("passes failures of its sets on", async () => {
    const cluster = new Cluster();
    await cluster.step();
    const [set] = cluster.list;
    const failure = { type: "ReplicaFailure", status: "True", reason: "FailedCreate", message: "no room" };
    cluster.sets.set(set!.metadata.name!, { ...set!, status: { observedGeneration: 1, conditions: [failure] } });
    await cluster.step();
    expect(cluster.condition("ReplicaFailure")).toEqual(["True", "FailedCreate", "no room"]);
    await cluster.settle(3);
    expect(cluster.condition("ReplicaFailure")).toEqual([undefined, undefined, undefined]);
  });

  it("passes its annotations on, but not its own", async () => {
    const cluster = new Cluster();
    cluster.deployment.metadata.annotations = {
      "kubernetes.io/change-cause": "first",
      "kubectl.kubernetes.io/last-applied-configuration": "{}",
    };
    await cluster.settle(3);
    expect(Object.keys(cluster.list[0]!.metadata.annotations ?? {}).sort()).toEqual([
      "deployment.kubernetes.io/desired-replicas",
      "deployment.kubernetes.io/max-replicas",
      REVISION,
      "kubernetes.io/change-cause",
    ]);
  });
});

describe("a name that is taken", () => {
  it("by another template is a collision: it is counted and the next name is another", async () => {
    const cluster = new Cluster();
    const name = `web-${templateHash(cluster.deployment.spec.template, undefined)}`;
    const foreign: ReplicaSet = { metadata: { name, uid: "other" }, spec: { selector: {}, replicas: 0 } };
    cluster.sets.set(name, foreign);
    const own = () => cluster.list.filter((set) => set !== foreign);
    await expect(rollout(cluster.deployment, own(), cluster.world())).rejects.toThrow("already exists");
    expect(cluster.deployment.status?.collisionCount).toBe(1);
    await rollout(cluster.deployment, own(), cluster.world());
    expect(own()).toHaveLength(1);
    expect(own()[0]!.metadata.name).not.toBe(name);
  });

  it("by our own set, which our copy does not list yet, is none", async () => {
    const cluster = new Cluster();
    await cluster.step();
    await rollout({ ...cluster.deployment, status: {} }, [], cluster.world());
    expect(cluster.list).toHaveLength(1);
    expect(cluster.deployment.status?.collisionCount).toBeUndefined();
  });
});

describe("Recreate", () => {
  it("starts the new pods when the last old one is gone", async () => {
    const cluster = new Cluster({ strategy: { type: "Recreate" } });
    await cluster.settle(5);
    cluster.template("v2");
    await cluster.step();
    expect(cluster.list.map(sizeOf)).toEqual([0]);
    await cluster.step();
    expect(cluster.list).toHaveLength(1);
    cluster.pods(cluster.list[0]!, 0);
    await cluster.step();
    expect(cluster.list.map(sizeOf)).toEqual([0, 4]);
    await cluster.settle(3);
    expect(cluster.condition("Available").slice(0, 2)).toEqual(["True", "MinimumReplicasAvailable"]);
  });
});

describe("templates", () => {
  it.each([
    [
      "the label itself",
      { metadata: { labels: { a: "b", [HASH_LABEL]: "x" } } },
      { metadata: { labels: { a: "b" } } },
      true,
    ],
    ["empty lists", { spec: { tolerations: [] } }, { spec: {} }, true],
    ["no annotations", { metadata: { annotations: {} } }, {}, true],
    ["another label", { metadata: { labels: { a: "b" } } }, { metadata: { labels: { a: "c" } } }, false],
    ["another field", { spec: { nodeName: "a" } }, { spec: {} }, false],
  ])("that differ in %s", (_, a, b, same) => {
    expect(sameTemplate(a, b)).toBe(same);
  });

  it("hash to the same text whatever the order of their fields", () => {
    const a = templateHash({ metadata: { labels: { a: "1", b: "2" } } }, undefined);
    expect(templateHash({ metadata: { labels: { b: "2", a: "1" } } }, undefined)).toBe(a);
    expect(a).toMatch(/^[bcdfghjklmnpqrstvwxz2456789]{1,10}$/);
    expect(templateHash({ metadata: { labels: { a: "1", b: "2" } } }, 1)).not.toBe(a);
  });
});
