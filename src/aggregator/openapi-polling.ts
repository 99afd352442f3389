/** Keeps the hashes of remote OpenAPI v3 documents up to date; the documents themselves are proxied on demand (spec: aggregation 5.6). */

import { readOpenAPIIndex } from "./discovery-documents.ts";
import { askRemote, type RemoteAccess } from "./discovery-polling.ts";
import { type Polling, polling } from "./polling.ts";

/** Milliseconds. */
const TIMEOUT = 60_000;
/** Bytes. An index is small; the documents do not pass through here. */
const MAX_INDEX = 16 * 1024 * 1024;
const NO_DOCUMENTS: ReadonlyMap<string, string> = new Map();

/** Identity of these requests: it has no groups, so the remote server decides by its own rules. */
const USER = { name: "system:aggregator", groups: [] };

/** A hash goes into URLs and headers: anything else is replaced by none. */
const HASH = /^[A-Za-z0-9_-]{1,256}$/;

export function openapiPolling(access: RemoteAccess): Polling {
  return polling<ReadonlyMap<string, string>>({
    clock: access.clock,
    interval: 60_000,
    baseBackoff: 60_000,
    maxBackoff: 3_600_000,
    remote: access.remote,
    onError: access.onError,
    async download(remote) {
      const limits = { timeout: TIMEOUT, limit: MAX_INDEX };
      const answer = await askRemote(remote, access, {
        path: "/openapi/v3",
        user: USER,
        accept: "application/json",
        ...limits,
      });
      if (answer.status === 404) return NO_DOCUMENTS;
      if (answer.status !== 200) throw new Error(`failed to download the OpenAPI v3 index: ${answer.status}`);
      return readOpenAPIIndex(answer.body);
    },
    apply(remote, hashes) {
      // Whatever else the index lists is not this APIService's to describe.
      const hash = hashes.get(remote.root.slice(1));
      const accepted = hash !== undefined && HASH.test(hash) ? hash : undefined;
      if (remote.openapiHash === accepted) return;
      remote.openapiHash = accepted;
      access.onChange(remote);
    },
    failed: () => {},
  });
}
