/** CronTabs from an extension server with a store of its own: the same resource as `examples/operator/crd.yaml`, without a definition. */
import { mkdirSync } from "node:fs";
import { createServer, createStore } from "tenon";
import { CronTab } from "./crontab.ts";

mkdirSync(".tenon", { recursive: true });
const store = createStore({ path: process.env["STORE"] ?? ".tenon/crontabs.sqlite" });
const server = createServer({ resources: [CronTab.stored(store)] });

const address = process.env["ADDRESS"] ?? "127.0.0.1";
const { port } = await server.listen({
  port: Number(process.env["PORT"] ?? 0),
  register: { service: "crontabs", address },
});
console.log(
  `ready  crontabs.stable.example.com on port ${port}; try: kubectl --kubeconfig .tenon/kubeconfig get crontabs`,
);
process.once("SIGINT", () => server.close().then(() => process.exit(0)));
process.once("SIGTERM", () => server.close().then(() => process.exit(0)));
