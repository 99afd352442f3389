/** Whether a remote server answers for its group-version: five tries at once, one success is enough (spec: aggregation 2.4). */
import type { Clock } from "../api/clock.ts";
import {
  type Breaker,
  DialError,
  type Dialer,
  fetchDocument,
  pushIdentity,
  type ServiceResolver,
} from "../dial/index.ts";
import type { RemoteService } from "./remote-service.ts";

const ATTEMPTS = 5;
/** Milliseconds, for each try. */
const TIMEOUT = 5000;

export interface ProbeOptions {
  readonly clock: Clock;
  readonly dialer: Dialer;
  readonly breaker: Breaker;
  readonly resolve: ServiceResolver;
}

/** Identity that passes every check of the remote server. */
export const AGGREGATOR = { name: "system:kube-aggregator", groups: ["system:masters"] } as const;

/** Resolves to undefined when it answered, else to the last failure. Throws a TransportError when there is no way to even try. */
export async function probe(remote: RemoteService, options: ProbeOptions): Promise<Error | undefined> {
  const { tls } = remote;
  options.dialer.settings(tls);
  return await new Promise((resolve) => {
    let failures = 0;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      // After a success the other tries are left to finish: their connections serve the next round.
      tryOnce(remote, options).then(
        () => resolve(undefined),
        (error: Error) => {
          if (++failures === ATTEMPTS) resolve(error);
        },
      );
    }
  });
}

async function tryOnce(remote: RemoteService, options: ProbeOptions): Promise<void> {
  const { namespace, name, port } = remote.service;
  const address = options.resolve(namespace, name, port);
  const connection = options.dialer.connect(address, remote.tls);
  const url = `https://${address.authority}${remote.root}`;
  const headers: string[] = [];
  pushIdentity(headers, AGGREGATOR);
  try {
    const { status } = await fetchDocument(connection, {
      clock: options.clock,
      address,
      path: remote.root,
      headers,
      timeout: TIMEOUT,
      limit: 0,
    });
    if (status < 200 || status >= 300) throw new Error(`bad status from ${url}: ${status}`);
    options.breaker.succeeded(address.authority);
  } catch (error) {
    // The next try should get a new connection, and with it perhaps another backend.
    connection.closeIdle();
    const cause = error as Error;
    const message = `failing or missing response from ${url}: ${cause.message}`;
    throw cause instanceof DialError
      ? new DialError(cause.reason, message, cause.atConnect, cause)
      : new Error(message);
  }
}
