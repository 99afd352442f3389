/** The in-memory contender of `crd-or-aggregation`: the same resource from an extension server that rewrites its objects itself and stores nothing. Started by the benchmark. */
import { createServer } from "../src/sdk/index.ts";
import { Usage, usageOf } from "./usage.ts";

const [kubeconfig, address, count, interval] = process.argv.slice(2) as [string, string, string, string];
const total = Number(count);
const objects = new Map<string, ReturnType<typeof usageOf>>();
let next = 0;
const rewrite = () => {
  const object = usageOf(next % total, Math.floor(next / total));
  objects.set(object.metadata.name, object);
  next++;
};
for (let at = 0; at < total; at++) rewrite();
// In small portions, as readings come in.
const portions = Math.max(1, Math.ceil(total / (Number(interval) * 20)));
setInterval(
  () => {
    for (let at = 0; at < portions; at++) rewrite();
  },
  (portions * Number(interval) * 1000) / total,
);

const server = createServer({
  resources: [
    Usage.serve({
      get: ({ name }) => objects.get(name),
      list: ({ labels }) => [...objects.values()].filter(({ metadata }) => labels.matches(metadata.labels)),
    }),
  ],
});
const { port } = await server.listen({ port: 0, kubeconfig, register: { service: "usage", address } });
console.log(`ready ${port}`);
process.once("SIGTERM", () => void server.close().then(() => process.exit(0)));
