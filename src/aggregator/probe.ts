/** Whether a remote server answers for its group-version: five tries at once, one success is enough (spec: aggregation 2.4). */
import type { Clock } from "../api/clock.ts";
import {
  type Address,
  type Breaker,
  type Connection,
  type Dialer,
  fetchDocument,
  pushIdentity,
  type ServiceResolver,
  TransportError,
} from "../dial/index.ts";
import { finding, ProbeFailure, type Reason, reasonOf, reasonOfStatus } from "./findings.ts";
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
export async function probe(remote: RemoteService, options: ProbeOptions): Promise<ProbeFailure | undefined> {
  const { tls } = remote;
  options.dialer.settings(tls);
  return await new Promise((resolve) => {
    let failures = 0;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      // After a success the other tries are left to finish: their connections serve the next round.
      tryOnce(remote, options).then(
        () => resolve(undefined),
        (error: ProbeFailure) => {
          if (++failures === ATTEMPTS) resolve(error);
        },
      );
    }
  });
}

/** Rejects with a ProbeFailure. */
async function tryOnce(remote: RemoteService, options: ProbeOptions): Promise<void> {
  const { namespace, name, port } = remote.service;
  const { serverName } = remote.tls;
  let address: Address;
  let connection: Connection;
  try {
    address = options.resolve(namespace, name, port);
    connection = options.dialer.connect(address, remote.tls);
  } catch (error) {
    const reason = error instanceof TransportError ? reasonOf(error) : "ServiceUnreachable";
    throw new ProbeFailure((error as Error).message, finding(reason), undefined, error);
  }
  const { authority } = address;
  const url = `https://${authority}${remote.root}`;
  const headers: string[] = [];
  pushIdentity(headers, AGGREGATOR);
  const fail = (text: string, reason: Reason, cause?: unknown) => {
    // The next try should get a new connection, and with it perhaps another backend.
    connection.closeIdle();
    const message = `failing or missing response from ${url}: ${text}`;
    return new ProbeFailure(message, finding(reason, serverName), authority, cause);
  };
  const answer = await fetchDocument(connection, {
    clock: options.clock,
    address,
    path: remote.root,
    headers,
    timeout: TIMEOUT,
    limit: 0,
  }).catch((error: Error) => {
    throw fail(error.message, reasonOf(error), error);
  });
  const reason = reasonOfStatus(answer.status);
  if (reason !== undefined) throw fail(`bad status from ${url}: ${answer.status}`, reason);
  options.breaker.succeeded(authority);
}
