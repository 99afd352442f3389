/** How this server reaches others: resolving services, TLS rules, pools, and the proxy. */
export { joinHostPort, refusedAddress } from "./addresses.ts";
export { Breaker, type BreakerOptions } from "./breaker.ts";
export { Bulkhead, type BulkheadOptions } from "./bulkhead.ts";
export { type DialCause, DialError, dialError } from "./dial-errors.ts";
export { type Connection, createDialer, type Dialer, type DialerOptions, type SeenCertificate } from "./dialer.ts";
export { type EndpointSlices, indexEndpointSlices, SERVICE_LABEL } from "./endpoint-slices.ts";
export { type Fetched, type FetchOptions, fetchDocument } from "./fetch.ts";
export { canonicalPath, canonicalQuery } from "./go-url.ts";
export { isIdentityHeader, pushIdentity } from "./headers.ts";
export { createProxy, type ProxyOptions, type ProxyTarget, type ReverseProxy, textError } from "./proxy.ts";
export {
  type Address,
  address,
  createServiceResolver,
  findServicePort,
  type ResolverOptions,
  type ServiceResolver,
} from "./resolver.ts";
export { type ClientCertificate, parseBundle, type TargetTLS, TransportError } from "./tls.ts";
