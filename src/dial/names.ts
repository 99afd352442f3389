/**
 * From a name to addresses, for Services of type ExternalName: what leads back to this host or link is refused, and the address that was
 * checked is the address dialled (spec: security A-20, F-28).
 *
 * Node asks the system for names on four threads that the whole process shares. A name server that does not answer may hold two of them,
 * whatever is asked for, and nobody waits for it longer than five seconds.
 */
import { lookup as askSystem, type LookupAddress } from "node:dns";
import type { LookupFunction } from "node:net";
import type { Clock } from "../api/clock.ts";
import { refusedAddress } from "./addresses.ts";
import { DialError } from "./dial-errors.ts";

export interface NameOptions {
  readonly clock: Clock;
  /** Names may lead to this host. */
  readonly allowLoopback: boolean;
  /** Default: the system's resolver. */
  ask?(name: string, done: (error: Error | null, addresses: readonly LookupAddress[]) => void): void;
}

const AT_ONCE = 2;
/** Milliseconds. */
const PATIENCE = 5_000;
/** How long an answer counts, milliseconds; failures count for nobody who asks later. */
const FRESH = 5_000;
const MOST_NAMES = 1_000;

type Answer = (error: Error | null, addresses: readonly LookupAddress[]) => void;

export function nameLookup(options: NameOptions): LookupFunction {
  const { clock } = options;
  const ask = options.ask ?? ((name, done) => askSystem(name, { all: true }, done));
  const known = new Map<string, { readonly until: number; readonly addresses: readonly LookupAddress[] }>();
  /** Who waits for which name. */
  const waiting = new Map<string, Set<Answer>>();
  const queue: string[] = [];
  let asked = 0;

  function next(): void {
    while (asked < AT_ONCE) {
      const name = queue.shift();
      if (name === undefined) return;
      // Everybody who wanted it has left.
      if (waiting.get(name)?.size === 0) {
        waiting.delete(name);
        continue;
      }
      asked++;
      ask(name, (error, addresses) => {
        asked--;
        if (error === null) {
          if (known.size >= MOST_NAMES) known.clear();
          known.set(name, { until: clock.monotonic() + FRESH, addresses });
        }
        const answers = waiting.get(name) ?? [];
        waiting.delete(name);
        for (const answer of answers) answer(error, addresses);
        next();
      });
    }
  }

  function resolve(name: string, answer: Answer): void {
    const found = known.get(name);
    if (found !== undefined && clock.monotonic() < found.until) {
      answer(null, found.addresses);
      return;
    }
    const late = clock.after(PATIENCE, () => {
      waiting.get(name)?.delete(once);
      answer(new DialError("Timeout", `dial tcp: lookup ${name}: i/o timeout`, true), []);
    });
    const once: Answer = (error, addresses) => {
      late.cancel();
      answer(error, addresses);
    };
    const others = waiting.get(name);
    if (others !== undefined) {
      others.add(once);
      return;
    }
    waiting.set(name, new Set([once]));
    queue.push(name);
    next();
  }

  return (name, { all, family }, callback) => {
    resolve(name, (error, addresses) => {
      if (error !== null) return callback(error as NodeJS.ErrnoException, "");
      for (const { address } of options.allowLoopback ? [] : addresses) {
        const why = refusedAddress(address);
        if (why !== undefined)
          return callback(new DialError("AddressRefused", `dial tcp: lookup ${name}: ${why}`, true), "");
      }
      const wanted = family === 4 || family === 6 ? addresses.filter((one) => one.family === family) : addresses;
      const first = wanted[0];
      if (first === undefined)
        callback(new DialError("NameNotFound", `dial tcp: lookup ${name}: no such host`, true), "");
      else if (all) callback(null, [...wanted]);
      else callback(null, first.address, first.family);
    });
  };
}
