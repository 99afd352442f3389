/** A backend that answers from this process: each resource of one group-version, bound to the store or to functions, and the verbs in front of them. */
import type { Clock, Random } from "../../api/clock.ts";
import { goQuote } from "../../api/go-quote.ts";
import { badRequest, methodNotAllowed, methodNotSupported, resourceNotFound, StatusError } from "../../api/status.ts";
import type { State } from "../../store/state.ts";
import type { Admission } from "../admission.ts";
import type { Authorizer } from "../authorization.ts";
import type { Exchange } from "../exchange.ts";
import { ByteCache } from "../representation/byte-cache.ts";
import { type Counters, newCounters } from "../representation/counters.ts";
import { Endpoint } from "../representation/endpoint.ts";
import { sendStatus } from "../representation/status.ts";
import type { ResourceDefinition, Verb, VirtualResource } from "../resource.ts";
import type { Backend } from "../routes.ts";
import type { Backing, Call } from "./backend-context.ts";
import { create } from "./create.ts";
import { deleteOne } from "./delete.ts";
import { deleteCollection } from "./delete-collection.ts";
import { discoveryOf } from "./discovery.ts";
import { get } from "./get.ts";
import { list } from "./list.ts";
import { patch } from "./patch.ts";
import { subresource } from "./subresource.ts";
import { update } from "./update.ts";
import { watch } from "./watch.ts";

export interface ServedResource {
  readonly definition: ResourceDefinition;
  /** Answers instead of the store. */
  readonly virtual?: VirtualResource;
}

export interface LocalBackendOptions {
  readonly group: string;
  readonly version: string;
  readonly source?: "builtin" | "crd";
  readonly resources: readonly ServedResource[];
  /** May be left out when every resource is virtual. */
  readonly state?: State;
  readonly admission?: Admission;
  /** Asked when a PUT is about to create; without one such a PUT is refused. */
  readonly authorizer?: Authorizer;
  readonly clock: Clock;
  readonly random: Random;
  readonly openapi?: Backend["openapi"];
  /** Bytes of encodings (protobuf, watch frames, other versions) to keep. Default 64 MiB. */
  readonly encodingBudget?: number;
  /** Shared between the backends of one process. */
  readonly encodings?: ByteCache;
  /** Watches without `timeoutSeconds` end after one to two times this long. Default 1800. */
  readonly minRequestTimeoutSeconds?: number;
  /** Ends the watches, once what happened before was sent. */
  readonly retired?: AbortSignal;
}

export interface LocalBackend extends Backend {
  readonly counters: Counters;
  readonly encodings: ByteCache;
}

const VERBS = new Map<string, (call: Call) => Promise<void>>([
  ["get", get],
  ["list", list],
  ["watch", watch],
  ["create", create],
  ["update", update],
  ["patch", patch],
  ["delete", deleteOne],
  ["deletecollection", deleteCollection],
]);

function endpointOf(endpoints: ReadonlyMap<string, Endpoint>, exchange: Exchange): Endpoint {
  const endpoint = endpoints.get(exchange.info.resource);
  if (endpoint === undefined) throw resourceNotFound();
  return endpoint;
}

async function dispatch(backing: Backing, endpoints: ReadonlyMap<string, Endpoint>, exchange: Exchange): Promise<void> {
  const { info } = exchange;
  const endpoint = endpointOf(endpoints, exchange);
  const { definition } = endpoint;
  const call: Call = {
    backing,
    endpoint,
    exchange,
    namespace: definition.namespaced ? info.namespace : "",
    name: info.name,
    subresource: info.subresource,
  };
  // A namespaced path to a cluster-scoped resource is no path at all.
  if (!definition.namespaced && info.namespace !== "" && definition.plural !== "namespaces") throw resourceNotFound();
  if (info.verb === "proxy") throw resourceNotFound();
  if (info.name.includes("%")) throw badRequest(`Name parameter invalid: ${goQuote(info.name)}: may not contain '%'`);
  if (exchange.method === "HEAD") throw methodNotAllowed();
  if (definition.deprecation !== undefined) exchange.warn(definition.deprecation);
  if (info.subresource !== "") return subresource(call, info.verb);
  const answer = VERBS.get(info.verb);
  if (answer === undefined || !endpoint.allows(info.verb as Verb)) {
    // The route is that of a list; only then is it known that nothing here can watch.
    if (info.verb === "watch" && endpoint.allows("list")) throw methodNotSupported(endpoint.groupResource, "watch");
    throw methodNotAllowed();
  }
  // PUT and PATCH have no route without a name, POST none with one, and none over all namespaces.
  const nameless = info.name === "";
  if ((info.verb === "update" || info.verb === "patch") && nameless) throw methodNotAllowed();
  if (info.verb === "create" && (!nameless || (definition.namespaced && info.namespace === "")))
    throw methodNotAllowed();
  await answer(call);
}

export function localBackend(options: LocalBackendOptions): LocalBackend {
  const { group, version, clock, random } = options;
  const counters = newCounters();
  const encodings = options.encodings ?? new ByteCache(options.encodingBudget ?? 64 * 1024 * 1024);
  const endpoints = new Map<string, Endpoint>();
  for (const { definition, virtual } of options.resources) {
    endpoints.set(definition.plural, new Endpoint(definition, virtual, encodings, counters));
  }
  const backing: Backing = {
    group,
    version,
    state: options.state,
    admission: options.admission,
    authorizer: options.authorizer,
    clock,
    random,
    minRequestTimeoutSeconds: options.minRequestTimeoutSeconds ?? 1800,
    retired: options.retired,
  };
  const resources = discoveryOf([...endpoints.values()]);
  return {
    group,
    version,
    source: options.source ?? "builtin",
    counters,
    encodings,
    async serve(exchange) {
      try {
        await dispatch(backing, endpoints, exchange);
      } catch (error) {
        // Anything else is a defect, and the panic filter's to report.
        if (!(error instanceof StatusError) || exchange.response.started) throw error;
        sendStatus(exchange, error.status);
      }
    },
    discovery: () => ({ resources, fresh: true }),
    ...(options.openapi !== undefined && { openapi: options.openapi }),
  };
}
