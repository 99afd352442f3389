/** The extension server that `hop` asks: one stored resource in a process of its own. Started by `hop`, which hands it everything. */
import { readFileSync } from "node:fs";
import { createServer, createStore, defineResource } from "../src/sdk/index.ts";

const [kubeconfig, group, cert, key] = process.argv.slice(2);

const Joke = defineResource({
  group: group!,
  version: "v1",
  kind: "Joke",
  namespaced: true,
  spec: { type: "object", properties: { topic: { type: "string" } } },
});
const server = createServer({ resources: [Joke.stored(createStore())] });
const { port } = await server.listen({
  port: 0,
  kubeconfig,
  tls: { cert: readFileSync(cert!, "utf8"), key: readFileSync(key!, "utf8") },
});
console.log(`ready ${port}`);
process.once("SIGTERM", () => void server.close().then(() => process.exit(0)));
