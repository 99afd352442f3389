/** Many definitions: until all are served, what each costs in memory, and how soon a changed schema shows in its document. */
import { setTimeout as wait } from "node:timers/promises";
import { parseArgs } from "node:util";
import { DEFINITIONS, definition } from "../interop/crd.ts";
import { openTarget, type Target, uniqueName } from "../interop/target.ts";
import { figure, interleaved, machine, median, megabytes, memoryOf, percentile, table } from "./measure.ts";
import { type Measured, startServers } from "./servers.ts";

const { values: options } = parseArgs({
  options: {
    kubeconfig: { type: "string" },
    pid: { type: "string" },
    count: { type: "string", default: "500" },
    smallest: { type: "string", default: "5" },
    largest: { type: "string", default: "200" },
    changes: { type: "string", default: "20" },
    help: { type: "boolean", default: false },
  },
});
if (options.help) {
  console.log(
    "crds [--count 500] [--smallest 5] [--largest 200] (KB of each definition) [--changes 20] [--kubeconfig FILE [--pid PID]]",
  );
  process.exit(0);
}

const count = Number(options.count);
/** Definitions that share a group. */
const TOGETHER = 10;
/** Requests in flight. */
const AT_ONCE = 8;
const suffix = `${uniqueName("bench")}.example.com`;

/** A schema as operators have them: objects within objects, every field described. About `bytes` of JSON. */
function schemaOf(bytes: number): object {
  let left = bytes;
  let fields = 0;
  const level = (depth: number): object => {
    const properties: Record<string, object> = {};
    for (let index = 0; index < 8 && left > 0; index++) {
      const description = `Field ${fields++} says what the operator shall do with this part of the object, when, and how often it may try again.`;
      left -= description.length + 60;
      properties[`field${index}`] =
        depth < 5 && index % 2 === 0 && left > 0
          ? { type: "object", description, properties: (level(depth + 1) as { properties: object }).properties }
          : [{ type: "string" }, { type: "integer", minimum: 0 }, { type: "array", items: { type: "string" } }].map(
              (type) => ({ ...type, description }),
            )[index % 3]!;
    }
    return { type: "object", properties };
  };
  const properties: Record<string, object> = {};
  for (let part = 0; left > 0; part++) properties[`part${part}`] = level(0);
  return { type: "object", properties: { spec: { type: "object", properties }, status: { type: "object" } } };
}

const definitions = Array.from({ length: count }, (_, index) => {
  const [smallest, largest] = [Number(options.smallest) * 1000, Number(options.largest) * 1000];
  // Most are small, a few are large: the middle lies at the geometric mean.
  const bytes = smallest * (largest / smallest) ** (index / Math.max(1, count - 1));
  return definition(`g${Math.floor(index / TOGETHER)}.${suffix}`, {
    kind: `Bench${index}`,
    plural: `benches${index}`,
    schema: schemaOf(bytes),
    version: { subresources: { status: {} } },
  });
});
const totalBytes = definitions.reduce((sum, one) => sum + JSON.stringify(one).length, 0);

async function createAll(target: Target): Promise<void> {
  const bodies = definitions.map((one) => JSON.stringify(one)).values();
  const worker = async () => {
    for (const body of bodies) {
      const made = await target.call("POST", DEFINITIONS, { body });
      if (made.status !== 201) throw new Error(`a definition was refused: ${made.text.slice(0, 400)}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

/** How many of ours are in discovery: established, routed and claimed. */
async function served(target: Target): Promise<number> {
  const { json } = await target.call("GET", "/apis", {
    headers: { accept: "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList" },
  });
  const groups = json.items.filter((item: { metadata: { name: string } }) => item.metadata.name.endsWith(suffix));
  return groups.reduce(
    (sum: number, item: { versions: { resources?: unknown[] }[] }) => sum + (item.versions[0]?.resources?.length ?? 0),
    0,
  );
}

const resident = (server: Measured) =>
  Object.entries(server.processes)
    .filter(([name]) => name !== "etcd")
    .reduce((sum, [, pid]) => sum + memoryOf(pid).resident, 0);

interface Installed {
  readonly created: number;
  readonly served: number;
  readonly before: number;
  readonly after: number;
}

async function install(server: Measured): Promise<Installed> {
  const target = openTarget(server.kubeconfig);
  await wait(3000);
  const before = resident(server);
  const began = performance.now();
  await createAll(target);
  const created = performance.now() - began;
  while ((await served(target)) < count) {
    await wait(20);
    if (performance.now() - began > 600_000) throw new Error(`${server.name}: not all were served within ten minutes`);
  }
  const all = performance.now() - began;
  await wait(5000);
  return { created, served: all, before, after: resident(server) };
}

/** Milliseconds from the answer to a change of the schema until the document says it. */
async function change(server: Measured, round: number): Promise<number> {
  const target = openTarget(server.kubeconfig);
  const { metadata, spec } = definitions[Math.floor(count / 2)]!;
  const text = `Changed in round ${round}.`;
  const path = "/spec/versions/0/schema/openAPIV3Schema/description";
  const changed = await target.call("PATCH", `${DEFINITIONS}/${metadata.name}`, {
    contentType: "application/json-patch+json",
    body: [{ op: "add", path, value: text }],
  });
  if (changed.status !== 200) throw new Error(changed.text);
  const began = performance.now();
  for (;;) {
    const { text: document } = await target.call("GET", `/openapi/v3/apis/${spec.group}/v1`);
    if (document.includes(text)) return performance.now() - began;
    if (performance.now() - began > 30_000) return Number.NaN;
    await wait(2);
  }
}

const where = machine();
const servers = await startServers(options);
try {
  const installed = new Map<Measured, Installed>();
  for (const server of servers) installed.set(server, await install(server));
  const changes = await interleaved(Number(options.changes), servers, change);
  console.log(`${where}\n`);
  console.log(
    `${count} definitions of ${options.smallest} to ${options.largest} KB, ${megabytes(totalBytes)} together\n`,
  );
  console.log(
    table(
      ["", ...servers.map(({ name }) => name)],
      [
        ["all created, s", ...servers.map((server) => figure(installed.get(server)!.created / 1000))],
        ["all served, s", ...servers.map((server) => figure(installed.get(server)!.served / 1000))],
        ["resident before", ...servers.map((server) => megabytes(installed.get(server)!.before))],
        ["resident after", ...servers.map((server) => megabytes(installed.get(server)!.after))],
        [
          "KB for each definition",
          ...servers.map((server) => {
            const { before, after } = installed.get(server)!;
            return figure((after - before) / count / 1000);
          }),
        ],
        ["schema to document, median ms", ...servers.map((server) => figure(median(changes.get(server)!)))],
        ["schema to document, worst ms", ...servers.map((server) => figure(percentile(changes.get(server)!, 1)))],
      ],
    ),
  );
} finally {
  await Promise.all(servers.map((server) => server.stop()));
}
process.exit(0);
