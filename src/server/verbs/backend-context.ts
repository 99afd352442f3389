/** What the verbs of one backend share. */
import type { Clock, Random } from "../../api/clock.ts";
import { internalError, notFound, type StatusError } from "../../api/status.ts";
import type { State } from "../../store/state.ts";
import type { Admission } from "../admission.ts";
import type { Authorizer } from "../authorization.ts";
import type { Exchange } from "../exchange.ts";
import type { Endpoint } from "../representation/endpoint.ts";
import type { RequestContext } from "../resource.ts";

export interface Backing {
  readonly group: string;
  readonly version: string;
  readonly state: State | undefined;
  readonly admission: Admission | undefined;
  readonly authorizer: Authorizer | undefined;
  readonly clock: Clock;
  readonly random: Random;
  /** Watches without `timeoutSeconds` end after one to two times this long. */
  readonly minRequestTimeoutSeconds: number;
  /** Aborts when the resource is no more served as it was: its watches end. */
  readonly retired: AbortSignal | undefined;
}

/** One request at one endpoint. */
export interface Call {
  readonly backing: Backing;
  readonly endpoint: Endpoint;
  readonly exchange: Exchange;
  readonly namespace: string;
  readonly name: string;
  readonly subresource: string;
}

/** The store behind an endpoint that is no virtual one. */
export function stateOf(call: Call): State {
  const { state } = call.backing;
  if (state === undefined)
    throw new Error(`${call.endpoint.definition.plural} is stored, but this backend has no store`);
  return state;
}

/** 404 for the object of this call; 500 when there is something, but nothing that can be read (spec: apiserver 11.5). */
export function missing(call: Call): StatusError {
  const { endpoint } = call;
  const why = call.backing.state?.unreadable(endpoint.key(call.namespace, call.name));
  return why === undefined ? notFound(endpoint.groupResource, call.name) : internalError(why);
}

export function contextOf(call: Call, dryRun: boolean, name = call.name): RequestContext {
  const { backing, exchange } = call;
  return {
    user: exchange.user,
    namespace: call.namespace,
    name,
    subresource: call.subresource,
    dryRun,
    clock: backing.clock,
    random: backing.random,
    signal: exchange.signal,
    warn: (text) => exchange.warn(text),
  };
}
