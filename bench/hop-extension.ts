/** The extension server that `hop` asks: one resource answered by a function, in a process of its own. Started by `hop`, which hands it everything. */
import { systemClock, systemRandom } from "../src/api/machine.ts";
import { createAuthority, issueCertificate } from "../src/auth/pki/certificate.ts";
import { createServer, defineResource } from "../src/sdk/index.ts";

const [kubeconfig, group, service, namespace] = process.argv.slice(2);

const Joke = defineResource({
  group: group!,
  version: "v1",
  kind: "Joke",
  namespaced: true,
  spec: { type: "object", properties: { topic: { type: "string" } } },
});

const random = systemRandom;
const authority = createAuthority({ subject: { commonName: "bench-ca" } }, { clock: systemClock, random });
const serving = issueCertificate(
  authority,
  {
    subject: { commonName: "bench" },
    usages: ["serverAuth"],
    dnsNames: [`${service}.${namespace}.svc`, "localhost"],
    ipAddresses: ["127.0.0.1"],
  },
  { clock: systemClock, random },
);
const server = createServer({
  resources: [
    Joke.serve({
      get: ({ namespace: in_, name }) => ({ metadata: { name, namespace: in_ }, spec: { topic: "joints" } }),
      list: () => [],
    }),
  ],
});
const { port } = await server.listen({ port: 0, kubeconfig, tls: { cert: serving.cert, key: serving.keyPEM } });
console.log(`ready ${JSON.stringify({ port, ca: authority.cert })}`);
process.once("SIGTERM", () => void server.close().then(() => process.exit(0)));
