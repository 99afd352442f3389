/** An extension API server: a resource `Joke`, served by two functions and a feed, as part of the cluster's API. */
import { setTimeout as sleep } from "node:timers/promises";
import { createServer, defineResource } from "tenon";
import { z } from "zod";

const Joke = defineResource({
  group: "fun.example.com",
  version: "v1",
  kind: "Joke",
  namespaced: true,
  shortNames: ["jk"],
  spec: z.object({ topic: z.string().max(40) }),
  status: z.object({ text: z.string(), told: z.number().int() }),
  columns: { Topic: ".spec.topic", Text: ".status.text", Told: { path: ".status.told", type: "integer" } },
});

const texts: Record<string, string> = {
  cats: "A cat knows two states: asleep, and the reason something fell.",
  tenons: "A tenon walks into a mortise. It was a perfect fit.",
  watches: "I would tell you the one about resourceVersions, but you are too old for it.",
};
let told = 0;

const joke = (namespace: string, topic: string) => ({
  metadata: { name: topic, namespace },
  spec: { topic },
  status: { text: texts[topic] ?? "", told },
});
const all = (namespace: string) => Object.keys(texts).map((topic) => joke(namespace || "default", topic));

const server = createServer({
  resources: [
    Joke.serve({
      get: ({ namespace, name }) => (Object.hasOwn(texts, name) ? joke(namespace, name) : undefined),
      list: ({ namespace }) => ({ items: all(namespace), resourceVersion: String(told + 1) }),
      async *watch({ namespace, signal }) {
        while (!signal.aborted) {
          await sleep(1000, undefined, { signal }).catch(() => {});
          told++;
          yield { type: "MODIFIED", object: joke(namespace || "default", Object.keys(texts)[told % 3]!) };
        }
      },
    }),
  ],
});

const { port } = await server.listen({ port: 0, register: { service: "joke" } });
console.log(`ready  jokes.fun.example.com on port ${port}; try: kubectl --kubeconfig .tenon/kubeconfig get jokes`);
process.once("SIGINT", () => server.close().then(() => process.exit(0)));
process.once("SIGTERM", () => server.close().then(() => process.exit(0)));
