/** What is seen when the extension server is asked from here, as the main API server would: each address on a connection of its own. */
import { type Finding, finding, reasonOf, reasonOfStatus } from "../../aggregator/findings.ts";
import { AGGREGATOR } from "../../aggregator/probe.ts";
import type { Clock } from "../../api/clock.ts";
import { type Address, createDialer, fetchDocument, pushIdentity, type TargetTLS } from "../../dial/index.ts";

export interface Seen {
  readonly address: string;
  /** Undefined: it answered with 2xx. */
  readonly finding: Finding | undefined;
  readonly message: string;
  /** When its certificate ends, milliseconds since the epoch. */
  readonly expires: number | undefined;
}

/** For each address, milliseconds. */
const TIMEOUT = 5000;
const MAX_BODY = 16 * 1024 * 1024;

/** Asks every address at once; never rejects. */
export async function askDirectly(
  addresses: readonly Address[],
  options: { readonly clock: Clock; readonly tls: TargetTLS; readonly path: string },
): Promise<Seen[]> {
  const { clock, tls, path } = options;
  return await Promise.all(
    addresses.map(async (address) => {
      const dialer = createDialer({ clock, allowLoopbackEndpoints: true, connectTimeout: TIMEOUT });
      const headers = ["Accept", "application/json"];
      // Without the front-proxy certificate it would be no more than a claim.
      if (tls.clientCertificate !== undefined) pushIdentity(headers, AGGREGATOR);
      const seen = (found: Finding | undefined, message: string): Seen => ({
        address: address.authority,
        finding: found,
        message,
        expires: dialer.certificate(tls)?.expires,
      });
      try {
        const connection = dialer.connect(address, tls);
        const answer = await fetchDocument(connection, {
          clock,
          address,
          path,
          headers,
          timeout: TIMEOUT,
          limit: MAX_BODY,
        });
        const reason = reasonOfStatus(answer.status);
        return seen(reason && finding(reason, tls.serverName), `answers ${answer.status}`);
      } catch (error) {
        return seen(finding(reasonOf(error), tls.serverName), (error as Error).message);
      } finally {
        await dialer.close();
      }
    }),
  );
}
