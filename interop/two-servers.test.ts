/**
 * Two API servers over one etcd act as one: a client of either sees what was written through the other, one may die under load, and so may etcd,
 * and nothing that was acknowledged is lost. Needs an etcd. With TENON_REAL_PAIR=1 the same is asked of two real kube-apiservers.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemClock } from "../src/api/machine.ts";
import { type EtcdProcess, missingEtcd, startEtcd } from "../src/store/engines/etcd-process.test-support.ts";
import { PEERS } from "../tools/peers/build.ts";
import { startPeer } from "../tools/peers/start.ts";
import { eventually } from "./story.ts";
import { type Answer, openTarget, type Target } from "./target.ts";

const MAIN = fileURLToPath(new URL("../src/cli/main.ts", import.meta.url));

interface Server {
  readonly target: Target;
  readonly pid: number;
  kill(): Promise<void>;
}
/** Starts one of two servers over an etcd, sharing keys; `name` is its own. */
type Start = (folder: string, name: string, etcd: EtcdProcess) => Promise<Server>;

const startTenon: Start = (folder, name, etcd) =>
  new Promise((resolve, reject) => {
    const dataDir = join(folder, name);
    const child: ChildProcess = spawn(
      process.execPath,
      [
        ["--disable-warning=ExperimentalWarning", MAIN, "apiserver", "--port", "0", "--allow-loopback-endpoints"],
        ["--store", `etcd://${etcd.endpoint}`, "--data-dir", dataDir, "--pki-dir", join(folder, "pki")],
      ].flat(),
      { stdio: ["ignore", "pipe", "pipe"] },
    );
    const gone = new Promise<void>((ended) => child.once("exit", () => ended()));
    let output = "";
    child.stderr!.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.once("exit", (code) => reject(new Error(`${name} ended with ${code}: ${output}`)));
    child.stdout!.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      if (!/^ready/m.test(output)) return;
      resolve({
        target: openTarget(join(dataDir, "kubeconfig")),
        pid: child.pid!,
        async kill() {
          child.kill("SIGKILL");
          await gone;
        },
      });
    });
  });

const startReal: Start = async (folder, name, etcd) => {
  const pki = join(folder, "pki");
  const peer = await startPeer({ folder: join(folder, name), etcd: `http://${etcd.endpoint}`, pki });
  return {
    target: openTarget(peer.kubeconfig),
    pid: peer.processes.kubeAPIServer,
    async kill() {
      process.kill(peer.processes.kubeAPIServer, "SIGKILL");
      await peer.stop();
    },
  };
};

const built = existsSync(join(PEERS, "bin/kube-apiserver"));
const pairs: readonly { name: string; start: Start; missing: string | undefined }[] = [
  { name: "tenon", start: startTenon, missing: missingEtcd() },
  {
    name: "kube-apiserver",
    start: startReal,
    missing:
      missingEtcd() ??
      (!built
        ? "kube-apiserver is not built"
        : process.env["TENON_REAL_PAIR"]
          ? undefined
          : "TENON_REAL_PAIR is not set"),
  },
];

const NS = "/api/v1/namespaces/default/configmaps";
const retriable = (status: number) => status === 429 || status >= 500;

/** A client that knows both servers: the next one when one does not answer, or says that it cannot. */
function clientOf(targets: readonly Target[], first: number) {
  let current = first;
  return async (method: string, path: string, body?: unknown): Promise<Answer> => {
    for (let attempt = 1; ; attempt++) {
      const target = targets[current % targets.length]!;
      try {
        const answer = await target.call(method, path, {
          ...(body !== undefined && { body }),
          signal: AbortSignal.timeout(15_000),
        } as object);
        if (!retriable(answer.status)) return answer;
      } catch {
        // Nobody there, or cut off.
      }
      if (attempt > 100) throw new Error(`${method} ${path}: nobody answers`);
      current++;
      await systemClock.sleep(50);
    }
  };
}

/** Writers that each create objects one after another, until told to stop; what was acknowledged stands in `acknowledged`. */
function load(targets: readonly Target[], prefix: string, writers: number) {
  const acknowledged: string[] = [];
  let stopped = false;
  const running = Promise.all(
    Array.from({ length: writers }, async (_, writer) => {
      const call = clientOf(targets, writer);
      for (let round = 0; !stopped; round++) {
        const name = `${prefix}-${writer}-${round}`;
        const answer = await call("POST", NS, { metadata: { name, labels: { load: prefix } }, data: { name } });
        // A create whose answer was lost, sent again, finds itself.
        if (answer.status !== 201 && answer.json.reason !== "AlreadyExists") throw new Error(answer.text);
        acknowledged.push(name);
      }
    }),
  );
  return {
    acknowledged,
    /** Resolves when so many more are acknowledged. */
    async more(count: number) {
      const wanted = acknowledged.length + count;
      while (acknowledged.length < wanted) await Promise.race([systemClock.sleep(20), running]);
    },
    async stop() {
      stopped = true;
      await running;
      return acknowledged;
    },
  };
}

const namesOf = async (target: Target, prefix: string): Promise<Set<string>> => {
  const list = await target.call("GET", `${NS}?labelSelector=load%3D${prefix}`);
  expect(list.status, list.text).toBe(200);
  return new Set(list.json.items.map((item: { metadata: { name: string } }) => item.metadata.name));
};

/** Follows the objects of a load for ever, through whichever server there is, from where it was; as a reflector does. */
function follower(targets: readonly Target[], prefix: string) {
  const seen: string[] = [];
  const stopping = new AbortController();
  const running = (async () => {
    let version = "";
    for (let turn = 0; !stopping.signal.aborted; turn++) {
      const target = targets[turn % targets.length]!;
      try {
        if (version === "") {
          const list = await target.call("GET", `${NS}?labelSelector=load%3D${prefix}`);
          if (list.status !== 200) throw new Error(list.text);
          for (const item of list.json.items) seen.push(item.metadata.name);
          version = list.json.metadata.resourceVersion;
        }
        const query = `watch=1&labelSelector=load%3D${prefix}&resourceVersion=${version}&allowWatchBookmarks=true`;
        for await (const event of target.stream(`${NS}?${query}`, { signal: stopping.signal })) {
          if (event.type === "ERROR") {
            version = "";
            break;
          }
          version = event.object.metadata.resourceVersion;
          if (event.type !== "BOOKMARK") seen.push(event.object.metadata.name);
        }
      } catch {
        await systemClock.sleep(50);
      }
    }
  })();
  return {
    seen,
    async stop() {
      stopping.abort();
      await running;
    },
  };
}

for (const { name, start, missing } of pairs) {
  if (missing !== undefined) {
    // Said and asserted, not hidden.
    it(`two servers, ${name}: not run here: ${missing}`, () => expect(missing).not.toBe(""));
    continue;
  }

  describe(`two servers, ${name}`, () => {
    const folder = mkdtempSync(join(tmpdir(), "tenon-two-"));
    let etcd: EtcdProcess;
    const servers: Server[] = [];
    const targets: Target[] = [];

    beforeAll(async () => {
      etcd = await startEtcd();
      // Both at once, over nothing: neither keys nor objects are there yet.
      servers.push(...(await Promise.all(["one", "two"].map((own) => start(folder, own, etcd)))));
      targets.push(...servers.map(({ target }) => target));
    }, 120_000);
    afterAll(async () => {
      for (const server of servers) await server.kill().catch(() => {});
      await etcd?.remove();
      rmSync(folder, { recursive: true, force: true });
    });

    it("started together on an empty folder they have one authority, and the same namespaces", async () => {
      const [one, two] = targets as [Target, Target];
      expect(one.ca).toBe(two.ca);
      expect(readFileSync(join(folder, "pki/ca.crt"), "utf8")).toBe(one.ca);
      const uid = async (target: Target) =>
        (await target.call("GET", "/api/v1/namespaces/kube-system")).json.metadata.uid;
      expect(await uid(one)).toBe(await uid(two));
    });

    it("a read after a write through the other one sees it", async () => {
      const [one, two] = targets as [Target, Target];
      for (let round = 0; round < 40; round++) {
        const [writer, reader] = round % 2 === 0 ? [one, two] : [two, one];
        const path = `${NS}/linear`;
        const body = { metadata: { name: "linear" }, data: { round: String(round) } };
        const wrote = round === 0 ? await writer.call("POST", NS, { body }) : await writer.call("PUT", path, { body });
        expect(wrote.status, wrote.text).toBeLessThan(300);
        if (round % 4 < 2) expect((await reader.call("GET", path)).json.data.round).toBe(String(round));
        else {
          const list = await reader.call("GET", `${NS}?fieldSelector=metadata.name%3Dlinear`);
          expect(list.json.items[0].data.round).toBe(String(round));
          expect(Number(list.json.metadata.resourceVersion)).toBeGreaterThanOrEqual(
            Number(wrote.json.metadata.resourceVersion),
          );
        }
      }
    });

    it("many write one object through both: every increment counts", async () => {
      await targets[0]!.call("POST", NS, { body: { metadata: { name: "counter" }, data: { n: "0" } } });
      await Promise.all(
        Array.from({ length: 6 }, async (_, writer) => {
          const target = targets[writer % 2]!;
          for (let done = 0; done < 5; ) {
            const found = (await target.call("GET", `${NS}/counter`)).json;
            const body = { ...found, data: { n: String(Number(found.data.n) + 1) } };
            const answer = await target.call("PUT", `${NS}/counter`, { body });
            if (answer.status === 200) done++;
            else expect(answer.json.reason).toBe("Conflict");
          }
        }),
      );
      for (const target of targets) expect((await target.call("GET", `${NS}/counter`)).json.data.n).toBe("30");
    });

    it.runIf(name === "tenon")("default/kubernetes names both", async () => {
      const ports = targets.map(({ url }) => Number(new URL(url).port)).sort();
      const shown = await eventually(
        async () => {
          const { json } = await targets[0]!.call("GET", "/api/v1/namespaces/default/endpoints/kubernetes");
          return (json.subsets ?? []).map((subset: { ports: { port: number }[] }) => subset.ports[0]!.port).sort();
        },
        (found) => found.length === 2,
      );
      expect(shown).toEqual(ports);
    });

    it("etcd is killed under load and comes back: clients go on, nothing acknowledged is lost, no event is missed", async () => {
      const following = follower(targets, "etcd");
      const writing = load(targets, "etcd", 6);
      await writing.more(100);
      await etcd.kill();
      const ready = await targets[0]!.call("GET", "/readyz");
      expect(ready.status).toBe(500);
      expect(ready.text).toContain("[-]etcd failed: reason withheld");
      await etcd.restart();
      await writing.more(100);
      const acknowledged = await writing.stop();
      for (const target of targets) {
        const there = await namesOf(target, "etcd");
        expect(acknowledged.filter((one) => !there.has(one))).toEqual([]);
      }
      await eventually(
        async () => following.seen.length,
        (count) => count >= new Set(acknowledged).size,
      );
      await following.stop();
      const seen = new Set(following.seen);
      expect(acknowledged.filter((one) => !seen.has(one))).toEqual([]);
      expect(
        (
          await eventually(
            () => targets[0]!.call("GET", "/readyz"),
            ({ status }) => status === 200,
          )
        ).status,
      ).toBe(200);
    }, 120_000);

    it("one server is killed under load: clients go on with the other, nothing acknowledged is lost, no event is missed or seen twice", async () => {
      const following = follower(targets, "server");
      const writing = load(targets, "server", 6);
      await writing.more(100);
      await servers[0]!.kill();
      await writing.more(100);
      const acknowledged = await writing.stop();
      const there = await namesOf(targets[1]!, "server");
      expect(acknowledged.filter((one) => !there.has(one))).toEqual([]);
      await eventually(
        async () => following.seen.length,
        (count) => count >= there.size,
      );
      await following.stop();
      expect(following.seen.toSorted()).toEqual([...there].sort());
    }, 120_000);
  });
}
