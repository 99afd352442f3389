/** Every namespace gets a ServiceAccount `default` and a ConfigMap `kube-root-ca.crt`, and gets them back when they are gone or changed. */
import type { KubeObject } from "../api/meta.ts";
import { hasReason } from "../api/status.ts";
import { createInformer } from "../client/informer.ts";
import { type Controller, startSync } from "./controller.ts";

const NAMESPACES = { group: "", version: "v1", resource: "namespaces" };
const SERVICE_ACCOUNTS = { group: "", version: "v1", resource: "serviceaccounts" };
const CONFIG_MAPS = { group: "", version: "v1", resource: "configmaps" };

const ROOT_CA = "kube-root-ca.crt";
const DESCRIPTION =
  "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. " +
  "No other usage is guaranteed across distributions of Kubernetes clusters.";

/** `rootCA`: the PEM that verifies the API server; undefined leaves the ConfigMaps alone. */
export function namespaceDefaults(rootCA: string | undefined): Controller {
  return async (context) => {
    const { client, signal, log } = context;
    const onError = (error: unknown) =>
      log.warn({ controller: "namespace-defaults", error: String(error) }, "a watch failed");
    const namespaces = createInformer(client, client.resource(NAMESPACES), { onError });
    const accounts = createInformer(client, client.resource(SERVICE_ACCOUNTS), {
      fieldSelector: "metadata.name=default",
      onError,
    });
    const configMaps = createInformer(client, client.resource(CONFIG_MAPS), {
      fieldSelector: `metadata.name=${ROOT_CA}`,
      onError,
    });
    const informers = [namespaces, accounts, configMaps];

    const { queue, finished } = startSync("namespace-defaults", context, 2, async (name) => {
      const namespace = namespaces.get(name);
      if (
        namespace === undefined ||
        namespace.metadata.deletionTimestamp ||
        namespace.status?.phase === "Terminating"
      ) {
        return undefined;
      }
      if (accounts.get("default", name) === undefined) {
        await unlessMoot(client.resource(SERVICE_ACCOUNTS, name).create({ metadata: { name: "default" } }));
      }
      if (rootCA === undefined) return undefined;
      const wanted: KubeObject = {
        metadata: { name: ROOT_CA, annotations: { "kubernetes.io/description": DESCRIPTION } },
        data: { "ca.crt": rootCA },
      };
      const found = configMaps.get(ROOT_CA, name);
      if (found === undefined) await unlessMoot(client.resource(CONFIG_MAPS, name).create(wanted));
      else if (found.data?.["ca.crt"] !== rootCA || Object.keys(found.data).length !== 1) {
        const metadata = {
          ...found.metadata,
          annotations: { ...found.metadata.annotations, ...wanted.metadata.annotations },
        };
        await client.resource(CONFIG_MAPS, name).update({ ...wanted, metadata });
      }
      return undefined;
    });

    namespaces.subscribe({
      added: (namespace) => queue.add(namespace.metadata.name ?? ""),
      updated: (namespace) => queue.add(namespace.metadata.name ?? ""),
    });
    const inNamespace = (object: KubeObject) => queue.add(object.metadata.namespace ?? "");
    accounts.subscribe({ deleted: inNamespace });
    configMaps.subscribe({ updated: inNamespace, deleted: inNamespace });
    // The contents must be known before the first namespace is looked at, or everything would be created twice.
    accounts.start();
    configMaps.start();
    await Promise.all([accounts.ready(), configMaps.ready()]);
    if (!signal.aborted) namespaces.start();
    await finished;
    await Promise.all(informers.map((informer) => informer.stop()));
  };
}

/** Somebody else made it, or the namespace began to go: nothing left to do. */
async function unlessMoot(write: Promise<unknown>): Promise<void> {
  try {
    await write;
  } catch (error) {
    const moot = hasReason(error, "AlreadyExists") || hasReason(error, "NotFound") || isTerminating(error);
    if (!moot) throw error;
  }
}

function isTerminating(error: unknown): boolean {
  return hasReason(error, "Forbidden") && /being terminated/.test(error.message);
}
