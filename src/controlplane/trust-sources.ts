/** Keys and authorities that may change while the server runs: files of the PKI folder, or those an operator named (spec: aggregation 3.6, 8.1). */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { join } from "node:path";
import type { Clock } from "../api/clock.ts";
import type { RequestHeaderTrust } from "../auth/delegated/trust-config.ts";
import { checkTrustRoots, parseCertificates } from "../auth/pki/trust-pool.ts";
import { type WatchedFiles, watchFiles } from "../auth/pki/watched-files.ts";
import type { ClientCertificate } from "../dial/index.ts";

/** Each is asked for every use; the same object or text until it changes. */
export interface TrustSources {
  /** What the aggregator shows to extension servers. */
  proxyClient(): ClientCertificate;
  /** PEM bundle: who signs users. */
  clientCA(): string;
  /** Who signs front proxies, and which headers they may set. */
  requestHeader(): RequestHeaderTrust;
  /** What this server shows to its clients. */
  serving(): ClientCertificate;
  /** PEM, trusted for APIServices without a bundle. */
  defaultCA(): string | undefined;
  /** Called after any of them changed. Answers how to stop. */
  onChange(listener: () => void): () => void;
  close(): void;
}

export interface TrustFileOptions {
  readonly clock: Clock;
  /** Where `ca.crt`, `front-proxy-ca.crt`, `front-proxy-client.*` and `apiserver.*` lie. */
  readonly pkiFolder: string;
  /** Instead of `front-proxy-client.crt` and `.key`. */
  readonly proxyClient?: { readonly cert: string; readonly key: string } | undefined;
  /** Beside `ca.crt`, which signs this control plane's own parts. */
  readonly clientCA?: string | undefined;
  /** Instead of `front-proxy-ca.crt`. */
  readonly requestHeaderCA?: string | undefined;
  readonly requestHeader: Omit<RequestHeaderTrust, "ca">;
  readonly defaultCA?: string | undefined;
  /** Told of files that cannot be used; what they held before stays. */
  onError(error: unknown): void;
}

/** Rejects when a file cannot be read or makes no sense, naming it. */
export async function openTrustFiles(options: TrustFileOptions): Promise<TrustSources> {
  const { clock, onError, pkiFolder } = options;
  const inFolder = (name: string) => join(pkiFolder, name);
  const opened: WatchedFiles<unknown>[] = [];
  const open = async <T>(paths: readonly string[], parse: (contents: readonly string[]) => T) => {
    const watched = await watchFiles(paths, parse, { clock, onError });
    opened.push(watched);
    return watched;
  };
  const pair = (cert: string, key: string) =>
    open([cert, key], ([certificate = "", privateKey = ""]) => keyPair(certificate, privateKey, cert));
  const { requestHeader } = options;
  try {
    const clientFiles = [inFolder("ca.crt"), ...(options.clientCA === undefined ? [] : [options.clientCA])];
    const proxyFile = options.requestHeaderCA ?? inFolder("front-proxy-ca.crt");
    // Looked at together: a change of either may let users speak for others.
    const authorities = await open([proxyFile, ...clientFiles], ([ca = "", ...clients]) => {
      const clientCA = clients.join("\n");
      parseCertificates(ca, proxyFile);
      for (const [index, bundle] of clients.entries()) parseCertificates(bundle, clientFiles[index]);
      checkTrustRoots(clientCA, ca, requestHeader.allowedNames);
      return { clientCA, requestHeader: { ca, ...requestHeader } };
    });
    const proxyClient = await pair(
      options.proxyClient?.cert ?? inFolder("front-proxy-client.crt"),
      options.proxyClient?.key ?? inFolder("front-proxy-client.key"),
    );
    const serving = await pair(inFolder("apiserver.crt"), inFolder("apiserver.key"));
    const { defaultCA: defaultFile } = options;
    const defaultCA =
      defaultFile === undefined
        ? undefined
        : await open([defaultFile], ([ca = ""]) => {
            parseCertificates(ca, defaultFile);
            return ca;
          });
    return {
      proxyClient: () => proxyClient.current,
      clientCA: () => authorities.current.clientCA,
      requestHeader: () => authorities.current.requestHeader,
      serving: () => serving.current,
      defaultCA: () => defaultCA?.current,
      onChange(listener) {
        const stops = opened.map((watched) => watched.onChange(listener));
        return () => {
          for (const stop of stops) stop();
        };
      },
      close() {
        for (const watched of opened) watched.close();
      },
    };
  } catch (error) {
    for (const watched of opened) watched.close();
    throw error;
  }
}

/** Throws for a certificate and a key that do not belong together, as between the two steps of a replacement. */
function keyPair(cert: string, key: string, file: string): ClientCertificate {
  const [leaf] = parseCertificates(cert, file);
  if (!new X509Certificate(leaf!.raw).checkPrivateKey(createPrivateKey(key)))
    throw new Error(`${file}: the private key does not match the certificate`);
  return { cert, key };
}

/** What never changes: keys and authorities as a PKI held them at the start. */
export function fixedTrust(
  pki: { readonly ca: { readonly cert: string }; readonly frontProxyCA: { readonly cert: string } } & Readonly<
    Record<"frontProxyClient" | "serving", { readonly cert: string; readonly keyPEM: string }>
  >,
  requestHeader: Omit<RequestHeaderTrust, "ca">,
  defaultCA: string | undefined,
): TrustSources {
  checkTrustRoots(pki.ca.cert, pki.frontProxyCA.cert, requestHeader.allowedNames);
  // One object each: what is derived from it is derived once.
  const proxyClient = { cert: pki.frontProxyClient.cert, key: pki.frontProxyClient.keyPEM };
  const serving = { cert: pki.serving.cert, key: pki.serving.keyPEM };
  const frontProxies = { ca: pki.frontProxyCA.cert, ...requestHeader };
  return {
    proxyClient: () => proxyClient,
    clientCA: () => pki.ca.cert,
    requestHeader: () => frontProxies,
    serving: () => serving,
    defaultCA: () => defaultCA,
    onChange: () => () => {},
    close() {},
  };
}
