#!/usr/bin/env node
/** The `tenon` command. Each part is loaded only when it is asked for. */
import { enableCompileCache } from "node:module";
import { Argument, Command, InvalidArgumentError, Option } from "commander";
import { TENON_VERSION } from "../controlplane/version.ts";
import { METRICS_SERVER_FLAGS } from "../metrics-server/flags.ts";
import { addAggregationFlags } from "./aggregation-flags.ts";
import { addAuthFlags } from "./auth-flags.ts";
import { addAutoscalerFlags } from "./autoscaler-flags.ts";
import { stayAlive } from "./lifetime.ts";

// The parts are loaded below, by their commands: a second start finds them compiled.
enableCompileCache();

const LOG_LEVELS = ["error", "warn", "info", "debug"];

function port(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value > 65_535)
    throw new InvalidArgumentError("a port is a whole number from 0 to 65535.");
  return value;
}

const MOST_NODES = 1000;

function nodes(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || value > MOST_NODES)
    throw new InvalidArgumentError(`a number of nodes is a whole number from 1 to ${MOST_NODES}.`);
  return value;
}

const dataDir = () =>
  new Option("--data-dir <folder>", "kubeconfigs, certificates, database and pid files").default(".tenon");
const logLevel = (fallback = "warn") =>
  new Option("--log-level <level>", "what is logged on standard error").choices(LOG_LEVELS).default(fallback);

/** A store and what an etcd may need beside its address. */
function withStore(command: Command): Command {
  return command
    .addOption(
      new Option("--store <engine>", "where objects are kept: sqlite, memory or etcd://host:port,...")
        .argParser(storeName)
        .default("sqlite"),
    )
    .option("--etcd-cafile <file>", "the authority of etcd's certificates; without one, plain http on loopback only")
    .option("--etcd-certfile <file>", "shown to etcd")
    .option("--etcd-keyfile <file>", "of that certificate");
}

function storeName(text: string): string {
  if (text === "sqlite" || text === "memory" || text.startsWith("etcd://")) return text;
  throw new InvalidArgumentError("sqlite, memory or etcd://HOST:PORT[,HOST:PORT...] is expected.");
}

const program = new Command("tenon")
  .description("A Kubernetes-compatible API server with real API aggregation")
  .version(TENON_VERSION)
  .showHelpAfterError()
  .hook("preAction", stayAlive);

addAutoscalerFlags(withStore(addAggregationFlags(addAuthFlags(program.command("up")))))
  .description("start everything: API server, controllers, this machine as a node, metrics-server")
  .addOption(new Option("--port <port>", "of the API server, on 127.0.0.1").argParser(port).default(6443))
  .addOption(dataDir())
  .option("--restart", "start a part again when it ends by itself", false)
  .option("--demo", "simulated nodes, and an autoscaled Deployment under a load that comes and goes", false)
  .addOption(logLevel("error"))
  .action(async (options) => (await import("./up.ts")).up(options));

withStore(addAggregationFlags(addAuthFlags(program.command("apiserver"))))
  .description("the main API server")
  .addOption(new Option("--port <port>", "to serve on").argParser(port).default(6443))
  .option("--bind-address <address>", "to serve on", "127.0.0.1")
  .addOption(dataDir())
  .option("--etcd-servers <urls>", "the same as --store etcd://..., in upstream's form: http://host:port,...")
  .option("--pki-dir <folder>", "keys and certificates, shared by all servers of a cluster; default <data-dir>/pki")
  .option("--token-auth-file <file>", "static tokens, as kube-apiserver reads them")
  .option("--no-anonymous-auth", "refuse requests without credentials")
  .option("--allow-loopback-endpoints", "endpoints may be on 127.0.0.0/8: a cluster on one machine", false)
  .option("--aggregator-default-ca <file>", "trusted beside the system's roots for APIServices without a caBundle")
  .addOption(logLevel())
  .action(async (options) => (await import("./apiserver.ts")).runAPIServer(options));

addAutoscalerFlags(program.command("controllers"))
  .description("namespaces, service accounts and what else keeps a cluster in order")
  .addOption(dataDir())
  .option("--kubeconfig <file>", "default <data-dir>/controllers.kubeconfig")
  .option("--root-ca-file <file>", "published in every namespace; default <data-dir>/pki/ca.crt")
  .addOption(logLevel())
  .action(async (options) => (await import("./controllers.ts")).runControllersProcess(options));

program
  .command("kubelet")
  .description("this machine as a node: its readings, and the parts of a data folder as pods; or simulated nodes")
  .addOption(dataDir())
  .option("--kubeconfig <file>", "default <data-dir>/kubelet.kubeconfig")
  .addOption(new Option("--port <port>", "to serve on").argParser(port).default(10_250))
  .option("--bind-address <address>", "to serve on, and the node's address", "127.0.0.1")
  .option("--hostname-override <name>", "the node's name; default: the machine's")
  .option("--simulate", "be simulated nodes instead, on which pods seem to run", false)
  .addOption(new Option("--nodes <number>", "how many simulated nodes").argParser(nodes).default(1))
  .addOption(logLevel())
  .action(async (options) => {
    if (options.simulate) await (await import("./simulation.ts")).runSimulation(options);
    else await (await import("./kubelet.ts")).runKubelet(options);
  });

program
  .command("doctor")
  .description("which link between an API server and its extension servers is broken, and what mends it")
  .addArgument(new Argument("[kind]", "of what is looked at").choices(["apiservice", "apiservices"]))
  .argument("[names...]", "of the APIServices; default: all that a Service stands behind, in short")
  .option("--kubeconfig <file>", "default KUBECONFIG, the service account of a pod, .tenon/kubeconfig, ~/.kube/config")
  .option("--context <name>", "of the kubeconfig")
  .addOption(new Option("-o, --output <format>", "of what is printed").choices(["text", "json"]).default("text"))
  .option(
    "--proxy-client-cert-file <file>",
    "the API server's front-proxy certificate: checks from here what it is trusted with",
  )
  .option("--proxy-client-key-file <file>", "of that certificate")
  .addHelpText("after", "\nExit code: 0 all is well, 1 a link is broken, 2 it could not be found out.")
  .action(async (_kind, names, options) =>
    process.exit(await (await import("./doctor/doctor.ts")).doctor(names, options)),
  );

const metricsServer = program
  .command("metrics-server")
  .description("the Metrics API from memory, behind this or any other Kubernetes API server")
  .option("--data-dir <folder>", "be a part of this data folder, registered with its API server")
  .option("--quick-start", "scrape again every 2 s until there is something to serve", false)
  .addOption(logLevel());
for (const { flags, description, default: fallback } of METRICS_SERVER_FLAGS) {
  metricsServer.option(flags, fallback === undefined ? description : `${description} (default: ${fallback})`);
}
metricsServer.action(async (options) => (await import("./metrics-server.ts")).runMetricsServerCommand(options));

program.parseAsync().catch((error: unknown) => {
  console.error(`tenon: ${error instanceof Error ? error.message : error}`);
  process.exit(1);
});
