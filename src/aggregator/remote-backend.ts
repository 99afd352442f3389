/** A remote server as a backend of routes: proxied when it is available, 503 when it is not (spec: aggregation 3.2). */
import { type ReverseProxy, type ServiceResolver, textError } from "../dial/index.ts";
import type { Exchange } from "../server/exchange.ts";
import type { Backend } from "../server/routes.ts";
import type { RemoteService } from "./remote-service.ts";

export interface RemoteBackendOptions {
  readonly proxy: ReverseProxy;
  readonly resolve: ServiceResolver;
  /** Told of requests that were answered here because it is not available. */
  onTerminated?(exchange: Exchange, code: number): void;
  /** Show what it last served while it does not answer, instead of nothing. Upstream shows nothing. */
  readonly showLastKnown?: boolean;
}

export function remoteBackend(remote: RemoteService, options: RemoteBackendOptions): Backend {
  const forward = (exchange: Exchange, query?: string): Promise<void> | void => {
    if (!remote.available) {
      options.onTerminated?.(exchange, 503);
      return textError(exchange, 503, "service unavailable");
    }
    const { namespace, name, port } = remote.service;
    return options.proxy(exchange, {
      resolve: () => options.resolve(namespace, name, port),
      tls: remote.tls,
      bulkhead: remote.bulkhead,
      ...(query !== undefined && { query }),
    });
  };
  return {
    group: remote.group,
    version: remote.version,
    source: "remote",
    serve: (exchange) => forward(exchange),
    discovery: () => ({
      resources: !remote.fresh && options.showLastKnown ? remote.lastKnown : remote.resources,
      fresh: remote.fresh,
    }),
    openapi() {
      const hash = remote.openapiHash;
      if (hash === undefined) return undefined;
      // An outdated hash would make the backend redirect, and redirects are refused: ask for the document as it is.
      const serve = (exchange: Exchange) => forward(exchange, exchange.query.get("hash") === hash ? undefined : "");
      return { hash, serve };
    },
  };
}
