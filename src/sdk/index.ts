/** `tenon`: write an extension API server from one typed definition per resource and one function per verb. */
export type { StatusCause } from "../api/status.ts";
export {
  alreadyExists,
  badRequest,
  conflict,
  forbidden,
  invalid,
  notFound,
  StatusError,
  serviceUnavailable,
  tooManyRequests,
} from "../api/status.ts";
export type { Schema } from "../schema/types.ts";
export type { ColumnInput } from "./columns.ts";
export type { ValidationRule } from "./crd.ts";
export { type FeedOptions, followed, polled, type RevisedChange, type Revisions, revised } from "./feeds.ts";
export type { Registration, RegistrationOptions } from "./registration.ts";
export {
  type Answer,
  type Asked,
  type AskedForMany,
  type AskedToWatch,
  type Change,
  defineResource,
  type Handlers,
  type ResourceObject,
  type ResourceOptions,
  type ResourceType,
  type Served,
} from "./resource.ts";
export type { ScalePaths } from "./scale.ts";
export { createServer, type ExtensionServer, type ExtensionServerOptions, type ListenOptions } from "./server.ts";
export { createStore, type Store, type StoreOptions } from "./store.ts";
