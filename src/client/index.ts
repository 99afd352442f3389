/** The public face of `tenon/client`: talk to any Kubernetes API server. */
export { type Backoff, type BackoffOptions, backoff } from "./backoff.ts";
export { type CallOptions, type Client, type ClientOptions, createClient } from "./client.ts";
export { type ConnectOptions, connect, untilInterrupted } from "./connect.ts";
export { type ControllerOptions, type ReconcileContext, type ReconcileResult, runController } from "./controller.ts";
export { createIfMissing, createOrUpdate } from "./ensure.ts";
export { indexBy } from "./index-by.ts";
export { createInformer, type Informer, type InformerOptions } from "./informer.ts";
export { type InformerFactory, informerFactory, type SharedInformerOptions } from "./informer-factory.ts";
export { inClusterConfig, loadKubeconfig, type ResolvedConfig } from "./kubeconfig.ts";
export { type LeaderElection, type LeaderOptions, leaderElection } from "./leader.ts";
export type { Lister, ListerEvents } from "./lister.ts";
export { type ListerRegistry, listerRegistry } from "./lister-registry.ts";
export { controllerOf, isControlledBy, ownerReference } from "./owner.ts";
export { createWorkQueue, runWorkers, type WorkQueue, type WorkQueueOptions } from "./queue.ts";
export { type EventRecorder, eventRecorder } from "./recorder.ts";
export type {
  DeleteOptions,
  GetOptions,
  ListOptions,
  PatchOptions,
  PatchType,
  ResourceClient,
  WriteOptions,
} from "./resource.ts";
export { errorOfResponse, isStatus } from "./response-error.ts";
export type { ClientRequest, ClientResponse, ClientTransport } from "./transport.ts";
export { type HTTPSOptions, httpsTransport } from "./transports/https.ts";
export { type ResourceEvent, WatchIdle, type WatchOptions } from "./watch.ts";
