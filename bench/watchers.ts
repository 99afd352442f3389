/** Many watches in a process of its own, each on a connection of its own: how long an event takes from its writer to each of them. */
import { type ChildProcess, fork } from "node:child_process";
import { connect, type TLSSocket } from "node:tls";
import { loadKubeconfig } from "../src/client/kubeconfig.ts";

export interface WatchJob {
  readonly kubeconfig: string;
  /** Asked instead of the kubeconfig's server. */
  readonly server?: string;
  /** Of a watch; its objects say in the annotation `sent` when they were written, milliseconds since the epoch. */
  readonly path: string;
  readonly watches: number;
}

export interface Watchers {
  /** Resolves when every watch has had its answer. */
  open(job: WatchJob): Promise<void>;
  /** Milliseconds, one for each event and watch since the last call; resolves once `events` came to every watch or nothing has come for 2 s. */
  collect(events: number): Promise<Float64Array>;
  /** Closes all. */
  close(): Promise<void>;
  stop(): void;
}

type Order = { open: WatchJob } | { collect: number } | { close: true };
type Reply = { latencies?: Float64Array; error?: string };

export function startWatchers(): Watchers {
  const child: ChildProcess = fork(import.meta.filename, [], {
    serialization: "advanced",
    execArgv: ["--disable-warning=ExperimentalWarning"],
  });
  const ask = (order: Order) =>
    new Promise<Reply>((resolve, reject) => {
      const ended = (code: number | null) => reject(new Error(`the watchers ended with ${code}`));
      child.once("exit", ended);
      child.once("message", (reply: Reply) => {
        child.off("exit", ended);
        if (reply.error !== undefined) reject(new Error(reply.error));
        else resolve(reply);
      });
      child.send(order);
    });
  return {
    open: async (job) => void (await ask({ open: job })),
    collect: async (events) => (await ask({ collect: events })).latencies ?? new Float64Array(),
    close: async () => void (await ask({ close: true })),
    stop: () => void child.kill(),
  };
}

/** How many connections are made at a time. */
const AT_ONCE = 50;

const sockets: TLSSocket[] = [];
let latencies: number[] = [];
let lastEvent = 0;

async function open({ kubeconfig, server, path, watches }: WatchJob): Promise<void> {
  const config = await loadKubeconfig(kubeconfig);
  const { hostname, port, host } = new URL(server ?? config.server);
  const head = `GET ${path} HTTP/1.1\r\nhost: ${host}\r\naccept: application/json\r\nuser-agent: tenon-bench\r\n\r\n`;
  const one = () =>
    new Promise<void>((resolve, reject) => {
      const socket = connect({
        ...{ host: hostname, port: Number(port || 443), ca: config.ca, cert: config.certificate, key: config.key },
        rejectUnauthorized: server === undefined,
        ALPNProtocols: ["http/1.1"],
      });
      let answered = false;
      let rest = "";
      socket.once("secureConnect", () => socket.setNoDelay(true).write(head));
      socket.on("error", reject);
      socket.on("close", () => reject(new Error("a watch ended")));
      socket.on("data", (piece: Buffer) => {
        const now = performance.timeOrigin + performance.now();
        rest += piece.toString("latin1");
        if (!answered) {
          const end = rest.indexOf("\r\n\r\n");
          if (end < 0) return;
          if (!rest.startsWith("HTTP/1.1 200")) return reject(new Error(rest.slice(0, 300)));
          answered = true;
          resolve();
        }
        for (let at = rest.indexOf("\n"); at >= 0; at = rest.indexOf("\n")) {
          const sent = /"sent":"([\d.]+)"/.exec(rest.slice(0, at))?.[1];
          rest = rest.slice(at + 1);
          if (sent === undefined) continue;
          latencies.push(now - Number(sent));
          lastEvent = performance.now();
        }
      });
      sockets.push(socket);
    });
  for (let made = 0; made < watches; made += AT_ONCE)
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, watches - made) }, one));
}

async function collect(events: number): Promise<Float64Array> {
  lastEvent = performance.now();
  while (latencies.length < events * sockets.length && performance.now() - lastEvent < 2000)
    await new Promise((resolve) => setTimeout(resolve, 20));
  const found = Float64Array.from(latencies);
  latencies = [];
  return found;
}

async function close(): Promise<void> {
  for (const socket of sockets.splice(0)) socket.destroy();
  latencies = [];
}

if (import.meta.main) {
  const reply = (message: Reply) => process.send?.(message);
  process.on("message", (order: Order) => {
    const done =
      "open" in order
        ? open(order.open).then(() => ({}))
        : "collect" in order
          ? collect(order.collect).then((found) => ({ latencies: found }))
          : close().then(() => ({}));
    done.then(reply, (error: Error) => reply({ error: error.message }));
  });
  process.on("disconnect", () => process.exit(0));
}
