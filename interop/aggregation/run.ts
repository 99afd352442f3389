/** Runs cases against one kind of server: many at once, since most of their time is waiting for the server's timers. */
import type { Case } from "./case.ts";
import { openStage, type Stage } from "./stage.ts";
import { endpointAddress, type Running, type Setting, startTenon, startUpstream } from "./worlds.ts";

export interface Verdict {
  /** Why it is not so; "" when it is. */
  readonly failure: string;
  readonly seconds: number;
}

/** Cases with a server of their own, at the same time. */
const OWN_AT_ONCE = 3;
/** Cases at the same time; those that wait long begin first. */
const AT_ONCE = 12;
/** A case that takes longer has failed, milliseconds. */
const LIMIT = 300_000;

export interface RunOptions {
  readonly upstream: boolean;
  /** Told of each verdict. */
  tell?(one: Case, verdict: Verdict): void;
}

/** Verdicts by number. */
export async function runCases(cases: readonly Case[], options: RunOptions): Promise<Map<number, Verdict>> {
  const { upstream } = options;
  const address = upstream ? endpointAddress() : "127.0.0.1";
  if (address === undefined) throw new Error("no address but loopback, which a kube-apiserver takes for no endpoint");
  const start = (setting: Setting) => (upstream ? startUpstream(setting) : startTenon(setting));
  const worlds = new Map<string, Promise<Running>>();
  const shared = (routing: "endpoint" | "cluster-ip") => {
    const world = worlds.get(routing) ?? start({ routing });
    worlds.set(routing, world);
    return world;
  };

  async function stageOn(
    one: Case,
    server: Pick<Running, "target" | "pki"> | undefined,
    setting: Setting,
    endings: (() => Promise<void>)[],
  ): Promise<Stage> {
    const routing = setting.routing ?? "endpoint";
    const { stage, close } = await openStage({
      server,
      upstream,
      routing,
      host: routing === "endpoint" ? address! : "127.0.0.1",
      name: `case-${one.number}`,
      also: async (other = "endpoint") => stageOn(one, await shared(other), { routing: other }, endings),
      async start(wanted = {}) {
        let current = await start(wanted);
        endings.push(() => current.stop());
        const own = {
          get target() {
            return current.target;
          },
          get pki() {
            return current.pki;
          },
        };
        return {
          stage: await stageOn(one, own, wanted, endings),
          async restart(next = {}) {
            current = await current.restart(next);
          },
        };
      },
    });
    endings.push(close);
    return stage;
  }

  async function judge(one: Case): Promise<Verdict> {
    let begun = Date.now();
    const endings: (() => Promise<void>)[] = [];
    let failure = "";
    try {
      const world = one.world ?? "endpoint";
      const server = world === "own" ? undefined : await shared(world);
      begun = Date.now();
      const stage = await stageOn(one, server, world === "own" ? {} : { routing: world }, endings);
      await within(LIMIT, one.run(stage));
    } catch (error) {
      failure = (error instanceof Error ? error.message : String(error)) || "it failed";
    }
    for (const end of endings.reverse()) await end().catch(() => undefined);
    const verdict = { failure, seconds: Math.round((Date.now() - begun) / 1000) };
    options.tell?.(one, verdict);
    return verdict;
  }

  const verdicts = new Map<number, Verdict>();
  const work = async (list: Case[]) => {
    for (let one = list.shift(); one !== undefined; one = list.shift()) verdicts.set(one.number, await judge(one));
  };
  const lanes = (list: Case[], width: number) => Array.from({ length: width }, () => work(list));
  try {
    await Promise.all([
      ...lanes(
        cases.filter(({ world }) => world !== "own").sort((a, b) => Number(b.slow ?? 0) - Number(a.slow ?? 0)),
        AT_ONCE,
      ),
      ...lanes(
        // The last ones wait longest.
        cases.filter(({ world }) => world === "own").reverse(),
        OWN_AT_ONCE,
      ),
    ]);
  } finally {
    for (const world of worlds.values()) await world.then((one) => one.stop()).catch(() => undefined);
  }
  return verdicts;
}

async function within<T>(milliseconds: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no verdict after ${milliseconds / 1000} s`)), milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
