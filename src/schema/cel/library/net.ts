/** Kubernetes' libraries for IP addresses and networks. */
import { declare, type Overload } from "../check/declarations.ts";
import { CelError, NO_SUCH_OVERLOAD } from "../values/errors.ts";
import {
  type Address,
  AddressError,
  formatAddress,
  inNetwork,
  isV4InV6,
  mask,
  type Network,
  parseAddress,
  parseNetwork,
} from "../values/ip.ts";
import { Opaque, type Value } from "../values/value.ts";

class IP extends Opaque {
  readonly typeName = "net.IP";
  readonly address: Address;
  constructor(address: Address) {
    super();
    this.address = address;
  }
  equals(other: Opaque): boolean {
    return other instanceof IP && Buffer.compare(this.address, other.address) === 0;
  }
  override size(): number {
    return this.address.length;
  }
}

class CIDR extends Opaque {
  readonly typeName = "net.CIDR";
  readonly network: Network;
  constructor(network: Network) {
    super();
    this.network = network;
  }
  equals(other: Opaque): boolean {
    return (
      other instanceof CIDR &&
      this.network.bits === other.network.bits &&
      Buffer.compare(this.network.address, other.network.address) === 0
    );
  }
  override size(): number {
    return Math.ceil(this.network.bits / 8);
  }
}

function ip(text: string): IP | CelError {
  let address: Address;
  try {
    address = parseAddress(text);
  } catch (error) {
    if (!(error instanceof AddressError)) throw error;
    if (text.includes("%") && text.includes(":"))
      return new CelError(`IP address ${JSON.stringify(text)} with zone value is not allowed`);
    return new CelError(
      `IP Address ${JSON.stringify(text)} parse error during conversion from string: ${error.message}`,
    );
  }
  return isV4InV6(address)
    ? new CelError(`IPv4-mapped IPv6 address ${JSON.stringify(text)} is not allowed`)
    : new IP(address);
}

const PREFIX = "network address parse error during conversion from string: ";

function cidr(text: string): CIDR | CelError {
  let network: Network;
  try {
    network = parseNetwork(text);
  } catch (error) {
    if (!(error instanceof AddressError)) throw error;
    return new CelError(PREFIX + PREFIX + error.message);
  }
  if (!isV4InV6(network.address)) return new CIDR(network);
  return new CelError(`${PREFIX}IPv4-mapped IPv6 address ${JSON.stringify(text)} is not allowed`);
}

function containsIP(range: CIDR, other: IP | CelError): Value {
  return other instanceof CelError ? NO_SUCH_OVERLOAD : inNetwork(range.network, other.address);
}

function containsCIDR({ network }: CIDR, other: CIDR | CelError): Value {
  if (other instanceof CelError) return other;
  return network.bits <= other.network.bits && inNetwork(network, other.network.address);
}

const first = (address: Address): number => address[0]!;
const isV4 = (address: Address): boolean => address.length === 4;
const isZero = (address: Address): boolean => address.every((byte) => byte === 0);

function isLoopback(address: Address): boolean {
  return isV4(address) ? first(address) === 127 : isZero(address.subarray(0, 15)) && address[15] === 1;
}

function isLinkLocalMulticast(address: Address): boolean {
  if (isV4(address)) return address[0] === 224 && address[1] === 0 && address[2] === 0;
  return address[0] === 0xff && (address[1]! & 0x0f) === 2;
}

function isLinkLocalUnicast(address: Address): boolean {
  if (isV4(address)) return address[0] === 169 && address[1] === 254;
  return address[0] === 0xfe && (address[1]! & 0xc0) === 0x80;
}

function isMulticast(address: Address): boolean {
  return isV4(address) ? (first(address) & 0xf0) === 0xe0 : first(address) === 0xff;
}

function isGlobalUnicast(address: Address): boolean {
  if (isV4(address) && (isZero(address) || address.every((byte) => byte === 255))) return false;
  return !(isZero(address) || isLoopback(address) || isMulticast(address) || isLinkLocalUnicast(address));
}

const test = (name: string, id: string, holds: (address: Address) => boolean): Overload =>
  declare(`${name}: net.IP.() bool @${id}`, (one: IP) => holds(one.address));

export const NET_FUNCTIONS: readonly Overload[] = [
  declare("ip: (string) net.IP @string_to_ip", ip),
  declare("ip: net.CIDR.() net.IP @cidr_ip", (one: CIDR) => new IP(one.network.address)),
  declare("family: net.IP.() int @ip_family", (one: IP) => (isV4(one.address) ? 4 : 6)),
  declare("ip.isCanonical: (string) bool @ip_is_canonical", (text: string) => {
    const parsed = ip(text);
    return parsed instanceof CelError ? parsed : formatAddress(parsed.address) === text;
  }),
  declare("isIP: (string) bool @is_ip", (text: string) => !(ip(text) instanceof CelError)),
  test("isUnspecified", "ip_is_unspecified", isZero),
  test("isLoopback", "ip_is_loopback", isLoopback),
  test("isLinkLocalMulticast", "ip_is_link_local_multicast", isLinkLocalMulticast),
  test("isLinkLocalUnicast", "ip_is_link_local_unicast", isLinkLocalUnicast),
  test("isGlobalUnicast", "ip_is_global_unicast", isGlobalUnicast),
  declare("string: (net.IP) string @ip_to_string", (one: IP) => formatAddress(one.address)),
  declare("cidr: (string) net.CIDR @string_to_cidr", cidr),
  declare("containsIP: net.CIDR.(string) bool @cidr_contains_ip_string", (range: CIDR, text: string) =>
    containsIP(range, ip(text)),
  ),
  declare("containsIP: net.CIDR.(net.IP) bool @cidr_contains_ip_ip", containsIP),
  declare("containsCIDR: net.CIDR.(string) bool @cidr_contains_cidr_string", (range: CIDR, text: string) =>
    containsCIDR(range, cidr(text)),
  ),
  declare("containsCIDR: net.CIDR.(net.CIDR) bool @cidr_contains_cidr", containsCIDR),
  declare("isCIDR: (string) bool @is_cidr", (text: string) => !(cidr(text) instanceof CelError)),
  declare(
    "masked: net.CIDR.() net.CIDR @cidr_masked",
    ({ network }: CIDR) => new CIDR({ address: mask(network.address, network.bits), bits: network.bits }),
  ),
  declare("prefixLength: net.CIDR.() int @cidr_prefix_length", (one: CIDR) => one.network.bits),
  declare(
    "string: (net.CIDR) string @cidr_to_string",
    ({ network }: CIDR) => `${formatAddress(network.address)}/${network.bits}`,
  ),
];
