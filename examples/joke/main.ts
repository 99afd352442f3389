/** An extension API server: a resource `Joke`, part of the cluster's API. Hear them with `kubectl get jokes -w`. */
import { createServer, defineResource, polled } from "tenon";
import { z } from "zod";

const Joke = defineResource({
  group: "fun.example.com",
  version: "v1",
  kind: "Joke",
  namespaced: true,
  shortNames: ["jk"],
  spec: z.object({ topic: z.string().max(40) }),
  status: z.object({ text: z.string(), told: z.int() }),
  columns: { Topic: ".spec.topic", Text: ".status.text", Told: { path: ".status.told", type: "integer" } },
});

const texts = {
  cats: "A cat knows two states: asleep, and the reason something fell.",
  tenons: "A tenon walks into a mortise. It was a perfect fit.",
  watches: "I would tell you the one about resourceVersions, but you are too old for it.",
};

const joke = ([topic, text]: [string, string]) => ({
  metadata: { name: topic, namespace: "default" },
  spec: { topic },
  status: { text, told: Math.floor(process.uptime()) },
});

const jokes = Joke.serve(polled(1000, () => Object.entries(texts).map(joke)));
await createServer({ resources: [jokes] }).run({ register: { service: "joke" } });
