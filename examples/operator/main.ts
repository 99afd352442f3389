/** An operator: for every CronTab a ConfigMap with its lines, kept in step for as long as the CronTab is there. */
import type { KubeObject } from "tenon/api";
import { connect, createOrUpdate, isControlledBy, ownerReference, runController, untilInterrupted } from "tenon/client";

interface CronTab extends KubeObject {
  spec: { cronSpec: string; image: string; replicas: number };
  status?: { replicas?: number; configMap?: string };
}

const CRONTABS = { group: "stable.example.com", version: "v1", resource: "crontabs" };
const CONFIG_MAPS = { group: "", version: "v1", resource: "configmaps" };

const client = await connect({ userAgent: "crontab-operator" });
const signal = untilInterrupted();
console.log("ready  crontab-operator");

await runController<CronTab>({
  client,
  signal,
  name: "crontab-operator",
  resource: CRONTABS,
  owns: [CONFIG_MAPS],
  leaderElection: { namespace: "default" },

  async reconcile(crontab, { events }) {
    const { cronSpec, image, replicas } = crontab.spec;
    const { namespace, name: own } = crontab.metadata;
    const name = `crontab-${own}`;
    const data = { crontab: `${cronSpec} ${image}\n`.repeat(replicas) };
    const wanted = { metadata: { name, namespace, ownerReferences: [ownerReference(crontab)] }, data };

    await createOrUpdate(client.resource(CONFIG_MAPS, namespace), wanted, (found) => {
      if (!isControlledBy(found, crontab)) throw new Error(`ConfigMap ${name} belongs to somebody else`);
      return found["data"]?.crontab === data.crontab ? found : { ...found, data };
    });
    if (crontab.status?.replicas === replicas && crontab.status.configMap === name) return;
    const status = { replicas, configMap: name };
    await client.resource(CRONTABS, namespace).patch(own!, "merge", { status }, { subresource: "status" });
    events.record(crontab, "Normal", "Written", `${replicas} lines in ConfigMap ${name}`);
  },
});
await client.close();
