/** The public face of `tenon/client`: talk to any Kubernetes API server. */
export { type Backoff, type BackoffOptions, backoff } from "./backoff.ts";
export { type CallOptions, type Client, type ClientOptions, createClient } from "./client.ts";
export type { Lister, ListerEvents } from "./lister.ts";
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
export { type ResourceEvent, WatchIdle, type WatchOptions } from "./watch.ts";
