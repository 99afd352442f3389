/** Where Services get their cluster addresses and node ports from: an interface, and a pool that lives in this process. */
import type { Random } from "../../api/clock.ts";
import type { Service } from "../generated/types.ts";

export type Refusal = "taken" | "outside";

/** One request for addresses. A claim that is never stored lapses by itself. */
export interface Claimant {
  /** `namespace/name`: the same owner may claim again. */
  readonly owner: string;
  /** Monotonic milliseconds. */
  readonly now: number;
  /** Nothing is remembered. */
  readonly dryRun: boolean;
}

export interface ClusterAddresses {
  /** A free address of the range; undefined when there is none. */
  allocate(claimant: Claimant): string | undefined;
  /** Takes a given address; undefined when it is now the owner's. */
  claim(address: string, claimant: Claimant): Refusal | undefined;
  allocatePort(claimant: Claimant): number | undefined;
  claimPort(port: number, claimant: Claimant): Refusal | undefined;
  /** Whether the pool itself chose this address or port for `owner`, who may then as well have another. */
  chose(addressOrPort: string | number, owner: string): boolean;
  /** `owner`'s Service no longer holds it: whatever was claimed for it is over. */
  forget(addressOrPort: string | number, owner: string): void;
  /** `30000-32767`, for messages. */
  readonly ports: string;
}

export interface AddressPoolOptions {
  /** IPv4 CIDR; default 10.96.0.0/12. */
  readonly range?: string;
  /** First and last node port; default 30000–32767. */
  readonly nodePorts?: readonly [number, number];
  /** The stored Services: what they hold is taken, what they gave up is free. Without it nothing is ever free again. */
  readonly services?: () => Iterable<Service>;
  /** With several servers over one store: where in the range to look first, so that they seldom choose the same. Default: at its lowest. */
  readonly random?: Random;
}

const DEFAULT_RANGE = "10.96.0.0/12";
const DEFAULT_NODE_PORTS: readonly [number, number] = [30_000, 32_767];
/** How long a claim holds that no stored Service shows: longer than any request may run. */
const CLAIM_MILLISECONDS = 120_000;

/**
 * A pool for one API server process: a free number above the part upstream leaves to people. It keeps no list of its own beyond fresh
 * claims: the stored Services are the list. What several processes choose they must then claim in the store.
 */
export function createAddressPool(options: AddressPoolOptions = {}): ClusterAddresses {
  const [first, count] = parseRange(options.range ?? DEFAULT_RANGE);
  const [lowPort, highPort] = options.nodePorts ?? DEFAULT_NODE_PORTS;
  const { services, random } = options;
  // Neither the network address nor the broadcast address is handed out; the first is the server's own Service.
  const addresses = new Pool(
    first + 1,
    first + count - 2,
    reservedAddresses(count),
    services && addressesOf(services),
    random,
  );
  const ports = new Pool(
    lowPort,
    highPort,
    reservedPorts(highPort - lowPort + 1),
    services && portsOf(services),
    random,
  );
  return {
    ports: `${lowPort}-${highPort}`,
    allocate(claimant) {
      const free = addresses.next(claimant);
      return free === undefined ? undefined : formatIPv4(free);
    },
    claim(address, claimant) {
      const number = parseIPv4(address);
      return number === undefined ? "outside" : addresses.claim(number, claimant);
    },
    allocatePort: (claimant) => ports.next(claimant),
    claimPort: (port, claimant) => ports.claim(port, claimant),
    chose: (what, owner) => (typeof what === "number" ? ports : addresses).chose(numberOf(what), owner),
    forget: (what, owner) => (typeof what === "number" ? ports : addresses).forget(numberOf(what), owner),
  };
}

const numberOf = (what: string | number) => (typeof what === "number" ? what : (parseIPv4(what) ?? -1));

type Holders = () => Map<number, string>;

function ownerOf(service: Service): string {
  return `${service.metadata.namespace}/${service.metadata.name}`;
}

function addressesOf(services: () => Iterable<Service>): Holders {
  return () => {
    const holders = new Map<number, string>();
    for (const service of services()) {
      for (const address of service.spec.clusterIPs ?? []) {
        const number = parseIPv4(address);
        if (number !== undefined) holders.set(number, ownerOf(service));
      }
    }
    return holders;
  };
}

function portsOf(services: () => Iterable<Service>): Holders {
  return () => {
    const holders = new Map<number, string>();
    for (const service of services()) {
      for (const port of service.spec.ports ?? []) if (port.nodePort) holders.set(port.nodePort, ownerOf(service));
      const { healthCheckNodePort } = service.spec;
      if (healthCheckNodePort) holders.set(healthCheckNodePort, ownerOf(service));
    }
    return holders;
  };
}

/** KEP-3070: between 16 and 256 addresses, a sixteenth of the range, are left to people. */
function reservedAddresses(count: number): number {
  return count < 16 ? 0 : Math.min(Math.max(16, Math.floor(count / 16)), 256, Math.floor(count / 2));
}

/** KEP-3668: between 16 and 128 ports, a thirty-second of the range. */
function reservedPorts(count: number): number {
  return count < 16 ? 0 : Math.min(Math.max(16, Math.floor(count / 32)), 128, Math.floor(count / 2));
}

class Pool {
  readonly #claims = new Map<number, { owner: string; at: number; chosen: boolean }>();
  readonly #low: number;
  readonly #high: number;
  readonly #dynamic: number;
  readonly #holders: Holders | undefined;
  readonly #random: Random | undefined;

  constructor(low: number, high: number, reserved: number, holders: Holders | undefined, random: Random | undefined) {
    this.#low = low;
    this.#high = high;
    this.#dynamic = low + reserved;
    this.#holders = holders;
    this.#random = random;
  }

  next(claimant: Claimant): number | undefined {
    const held = this.#held(claimant.now);
    const start = this.#dynamic + Math.floor((this.#random?.number() ?? 0) * (this.#high - this.#dynamic + 1));
    const free =
      firstFree(start, this.#high, held) ??
      firstFree(this.#dynamic, start - 1, held) ??
      firstFree(this.#low, this.#dynamic - 1, held);
    if (free !== undefined && !claimant.dryRun)
      this.#claims.set(free, { owner: claimant.owner, at: claimant.now, chosen: true });
    return free;
  }

  claim(number: number, claimant: Claimant): Refusal | undefined {
    if (number < this.#low || number > this.#high) return "outside";
    const holder = this.#held(claimant.now).get(number);
    if (holder !== undefined && holder !== claimant.owner) return "taken";
    if (!claimant.dryRun) this.#claims.set(number, { owner: claimant.owner, at: claimant.now, chosen: false });
    return undefined;
  }

  chose(number: number, owner: string): boolean {
    const claim = this.#claims.get(number);
    return claim !== undefined && claim.owner === owner && claim.chosen;
  }

  forget(number: number, owner: string): void {
    if (this.#claims.get(number)?.owner === owner) this.#claims.delete(number);
  }

  #held(now: number): Map<number, string> {
    const held = this.#holders?.() ?? new Map<number, string>();
    for (const [number, { owner, at }] of this.#claims) {
      if (this.#holders !== undefined && now - at > CLAIM_MILLISECONDS) this.#claims.delete(number);
      else if (!held.has(number)) held.set(number, owner);
    }
    return held;
  }
}

function firstFree(low: number, high: number, held: ReadonlyMap<number, string>): number | undefined {
  for (let number = low; number <= high; number += 1) if (!held.has(number)) return number;
  return undefined;
}

function parseIPv4(text: string): number | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return undefined;
  const parts = match.slice(1).map(Number);
  return parts.some((part) => part > 255) ? undefined : parts.reduce((number, part) => number * 256 + part, 0);
}

function formatIPv4(number: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join(".");
}

function parseRange(cidr: string): [first: number, count: number] {
  const [address = "", bits = ""] = cidr.split("/");
  const number = parseIPv4(address);
  const prefix = Number(bits);
  if (number === undefined || !/^\d{1,2}$/.test(bits) || prefix < 8 || prefix > 30) {
    throw new Error(`service range ${JSON.stringify(cidr)} is no IPv4 CIDR with a prefix of 8 to 30 bits`);
  }
  const count = 2 ** (32 - prefix);
  return [Math.floor(number / count) * count, count];
}
