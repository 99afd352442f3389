/** Where Services get their cluster addresses and node ports from: an interface, and a pool that lives in this process. */

/** Hands out and takes back addresses. Claims are idempotent for one owner (`namespace/name`). */
export interface ClusterAddresses {
  readonly range: string;
  /** A free address of the range; undefined when there is none. */
  allocate(owner: string): string | undefined;
  /** Takes a given address: why not, or undefined when it is now the owner's. */
  claim(address: string, owner: string): "taken" | "outside" | undefined;
  /** Gives the address back; nothing happens when it is somebody else's. */
  release(address: string, owner: string): void;
  allocatePort(owner: string): number | undefined;
  claimPort(port: number, owner: string): "taken" | "outside" | undefined;
  releasePort(port: number, owner: string): void;
}

export interface AddressPoolOptions {
  /** IPv4 CIDR; default 10.96.0.0/12. */
  readonly range?: string;
  /** First and last node port; default 30000–32767. */
  readonly nodePorts?: readonly [number, number];
}

const DEFAULT_RANGE = "10.96.0.0/12";
const DEFAULT_NODE_PORTS: readonly [number, number] = [30_000, 32_767];

/**
 * A pool in memory: the lowest free address each time, above the part upstream keeps for addresses that people choose.
 * Fill it with `claim` from the stored Services before use. It suits one API server process; several need one in the store.
 */
export function createAddressPool(options: AddressPoolOptions = {}): ClusterAddresses {
  const range = options.range ?? DEFAULT_RANGE;
  const [first, count] = parseRange(range);
  const [lowPort, highPort] = options.nodePorts ?? DEFAULT_NODE_PORTS;
  // Neither the network address nor the broadcast address is handed out.
  const addresses = new Pool(first + 1, first + count - 2, reservedAddresses(count));
  const ports = new Pool(lowPort, highPort, reservedPorts(highPort - lowPort + 1));
  return {
    range,
    allocate(owner) {
      const free = addresses.next(owner);
      return free === undefined ? undefined : formatIPv4(free);
    },
    claim(address, owner) {
      const number = parseIPv4(address);
      return number === undefined ? "outside" : addresses.claim(number, owner);
    },
    release(address, owner) {
      const number = parseIPv4(address);
      if (number !== undefined) addresses.release(number, owner);
    },
    allocatePort: (owner) => ports.next(owner),
    claimPort: (port, owner) => ports.claim(port, owner),
    releasePort: (port, owner) => ports.release(port, owner),
  };
}

/** KEP-3070: between 16 and 256 addresses, a sixteenth of the range, are left to people. */
function reservedAddresses(count: number): number {
  if (count < 16) return 0;
  return Math.min(Math.max(16, Math.floor(count / 16)), 256);
}

/** KEP-3668: between 16 and 128 ports, a thirty-second of the range. */
function reservedPorts(count: number): number {
  if (count < 16) return 0;
  return Math.min(Math.max(16, Math.floor(count / 32)), 128);
}

class Pool {
  readonly #owners = new Map<number, string>();
  readonly #low: number;
  readonly #high: number;
  readonly #reserved: number;
  #hint: number;

  constructor(low: number, high: number, reserved: number) {
    this.#low = low;
    this.#high = high;
    this.#reserved = reserved;
    this.#hint = low + reserved;
  }

  next(owner: string): number | undefined {
    while (this.#hint <= this.#high && this.#owners.has(this.#hint)) this.#hint += 1;
    if (this.#hint <= this.#high) {
      this.#owners.set(this.#hint, owner);
      return this.#hint;
    }
    for (let number = this.#low; number < this.#low + this.#reserved && number <= this.#high; number += 1) {
      if (!this.#owners.has(number)) {
        this.#owners.set(number, owner);
        return number;
      }
    }
    return undefined;
  }

  claim(number: number, owner: string): "taken" | "outside" | undefined {
    if (number < this.#low || number > this.#high) return "outside";
    const holder = this.#owners.get(number);
    if (holder !== undefined && holder !== owner) return "taken";
    this.#owners.set(number, owner);
    return undefined;
  }

  release(number: number, owner: string): void {
    if (this.#owners.get(number) !== owner) return;
    this.#owners.delete(number);
    if (number >= this.#low + this.#reserved && number < this.#hint) this.#hint = number;
  }
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
