/** A million spoofed header sets through authentication: how often does an identity change (never), and what does it cost? */
import { systemClock, systemRandom } from "../src/api/machine.ts";
import { fakeExchange, fakePeer } from "../src/auth/delegated/exchange.test-support.ts";
import {
  authenticatorUnion,
  bearerAuthenticator,
  clientCertificateAuthenticator,
  DEFAULT_IDENTITY_HEADERS,
  requestHeaderAuthenticator,
} from "../src/auth/delegated/index.ts";
import { createAuthority, issueClient, memoryPKI, TrustPool } from "../src/auth/pki/index.ts";
import type { Peer } from "../src/server/exchange.ts";

const TOTAL = Number(process.argv[2] ?? 1_000_000);
const context = { clock: systemClock, random: systemRandom };

const startedPKI = performance.now();
const pki = await memoryPKI(context);
const pkiMilliseconds = performance.now() - startedPKI;

const pools = {
  clients: new TrustPool(pki.ca.cert, systemClock),
  proxies: new TrustPool(pki.frontProxyCA.cert, systemClock),
};
const authenticator = authenticatorUnion([
  requestHeaderAuthenticator(() => ({
    ...DEFAULT_IDENTITY_HEADERS,
    pool: pools.proxies,
    allowedNames: ["front-proxy-client"],
  })),
  clientCertificateAuthenticator(() => pools.clients),
  bearerAuthenticator({ authenticateToken: () => undefined }),
]);

const alice = issueClient(pki.ca.authority!, { commonName: "alice", organizations: ["dev"] }, context);
const otherCA = createAuthority({ subject: { commonName: "front-proxy-ca" } }, context);
const impostor = issueClient(otherCA, { commonName: "front-proxy-client" }, context);
const wrongName = issueClient(pki.frontProxyCA.authority!, { commonName: "somebody" }, context);
const der = (pair: typeof alice) => [new Uint8Array(pair.certificate.raw)];
const identities: readonly (readonly [string, readonly Uint8Array[], string])[] = [
  ["nobody", [], "system:anonymous|system:unauthenticated"],
  ["a user's certificate", der(alice), "alice|dev,system:authenticated"],
  ["an impostor of the front proxy", der(impostor), "401"],
  ["a front proxy of another name", der(wrongName), "401"],
];
const transports: readonly Peer["transport"][] = ["h1", "h2", "memory"];

const names = [
  "X-Remote-User",
  "x-remote-user",
  "X-REMOTE-GROUP",
  "X-Remote-Group",
  "X-Remote-Uid",
  "X-Remote-Extra-scopes",
  "X-Remote-Extra-%2e",
  "X-Forwarded-User",
  "X-Remote-User ",
  "X_Remote_User",
  "Impersonate-User",
  "Host",
];
const values = [
  "admin",
  "system:masters",
  "a, system:masters",
  "",
  "system:serviceaccount:kube-system:x",
  "\u00c3\u00ab",
  "front-proxy-client",
  "root\tadmin",
];
const pick = <T>(from: readonly T[]) => from[Math.floor(Math.random() * from.length)]!;
const spoofed = () =>
  Array.from({ length: 1 + Math.floor(Math.random() * 8) }, () => [pick(names), pick(values)] as const);

let changed = 0;
let spent = 0;
const peers = identities.flatMap((identity) =>
  transports.map((transport) => ({ identity, peer: fakePeer({ transport, certificates: identity[1] }) })),
);
for (let done = 0; done < TOTAL; done++) {
  const { identity, peer } = peers[done % peers.length]!;
  const exchange = fakeExchange({ peer, headers: spoofed() });
  const start = performance.now();
  let answer: string;
  try {
    const user = await authenticator.authenticate(exchange);
    answer = `${user?.name}|${user?.groups.join(",")}`;
  } catch {
    answer = "401";
  }
  spent += performance.now() - start;
  if (answer !== identity[2]) changed++;
}

// Control: the same sets behind the verified front proxy do name the user, so the measurement measures something.
const proxy = fakePeer({ certificates: der(pki.frontProxyClient) });
let named = 0;
for (let done = 0; done < 10_000; done++) {
  const user = await authenticator.authenticate(
    fakeExchange({ peer: proxy, headers: [["X-Remote-User", "carol"], ...spoofed()] }),
  );
  if (user?.name === "carol") named++;
}

const chains = 1000;
const startedChains = performance.now();
for (let done = 0; done < chains; done++) await pools.clients.verify({ certificates: der(alice) });
const chainMicroseconds = ((performance.now() - startedChains) / chains) * 1000;

const again: number[] = [];
for (let done = 0; done < 20; done++) {
  const start = performance.now();
  await memoryPKI(context);
  again.push(performance.now() - start);
}
console.log(
  JSON.stringify({
    sets: TOTAL,
    identitiesChanged: changed,
    microsecondsEach: Number(((spent / TOTAL) * 1000).toFixed(2)),
    chainsVerified: pools.clients.verifications + pools.proxies.verifications - chains,
    controlNamedByFrontProxy: `${named}/10000`,
    verifyChainMicroseconds: Number(chainMicroseconds.toFixed(1)),
    pkiFirstMilliseconds: Number(pkiMilliseconds.toFixed(1)),
    pkiMedianMilliseconds: Number(again.sort((a, b) => a - b)[10]!.toFixed(1)),
  }),
);
if (changed > 0) process.exit(1);
