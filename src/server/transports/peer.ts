/** Who is at the other end, read once for each connection. */
import type { X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import type { Peer } from "../exchange.ts";

/** Certificates beyond this are not looked at: no honest chain is longer. */
const LONGEST_CHAIN = 10;

const peers = new WeakMap<TLSSocket, Peer>();

/** The chain is taken from the handshake of this connection, which is never a resumed one: resumption would have lost it. */
export function peerOf(socket: TLSSocket, transport: "h1" | "h2"): Peer {
  let peer = peers.get(socket);
  if (peer === undefined) {
    peer = {
      transport,
      address: socket.remoteAddress ?? "",
      port: socket.remotePort ?? 0,
      certificates: chainOf(socket),
    };
    peers.set(socket, peer);
  }
  return peer;
}

function chainOf(socket: TLSSocket): Uint8Array[] {
  const chain: Uint8Array[] = [];
  let certificate: X509Certificate | undefined = socket.getPeerX509Certificate();
  while (certificate !== undefined && chain.length < LONGEST_CHAIN) {
    chain.push(certificate.raw);
    const issuer: X509Certificate | undefined = certificate.issuerCertificate;
    if (issuer === certificate || issuer?.fingerprint512 === certificate.fingerprint512) break;
    certificate = issuer;
  }
  return chain;
}
