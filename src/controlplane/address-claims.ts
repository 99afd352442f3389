/**
 * Cluster addresses and node ports of Services when several servers share a store: what a server has chosen, or a client has asked for, counts
 * once a key for it is ours. The keys are our own (`/registry/tenon/addresses/…`, `/registry/tenon/nodeports/…`): upstream's allocators
 * (`/registry/ranges`, IPAddress objects) are left alone, and a kube-apiserver that takes over repairs its own from the Services.
 */
import type { Clock } from "../api/clock.ts";
import { invalidValue } from "../api/field-errors.ts";
import { isObject, parseJSON } from "../api/json/index.ts";
import type { KubeObject } from "../api/meta.ts";
import { invalid } from "../api/status.ts";
import type { Lister } from "../client/lister.ts";
import type { ClusterAddresses } from "../kinds/core/service-addresses.ts";
import type { Service, ServiceSpec } from "../kinds/generated/types.ts";
import type { Admission, AdmissionAttributes } from "../server/admission.ts";
import type { Entry, State } from "../store/state.ts";

export interface AddressClaimsOptions {
  readonly state: State;
  readonly services: Lister<Service>;
  readonly addresses: ClusterAddresses;
  readonly clock: Clock;
}

export interface AddressClaims extends Admission {
  /** Removes the keys of what no Service holds any more. One server is enough. */
  sweep(): Promise<void>;
  close(): void;
}

/** An address or a node port. */
type Held = string | number;

interface Claim {
  /** `namespace/name` of the Service. */
  readonly owner: string;
  /** Milliseconds since the epoch, by the clock of who claimed. */
  readonly at: number;
}

const ADDRESSES = "/registry/tenon/addresses/";
const PORTS = "/registry/tenon/nodeports/";
/** For so long a claim is respected although no Service shows it: longer than any request runs. */
const FRESH = 120_000;

const keyOf = (held: Held) => (typeof held === "number" ? `${PORTS}${held}` : `${ADDRESSES}${held}`);
const ownerOf = ({ metadata }: KubeObject) => `${metadata.namespace ?? ""}/${metadata.name ?? ""}`;

/** What a Service holds, each once. */
function heldBy(spec: ServiceSpec | undefined): Set<Held> {
  const held = new Set<Held>();
  for (const address of spec?.clusterIPs ?? []) if (address !== "" && address !== "None") held.add(address);
  for (const port of spec?.ports ?? []) if (port.nodePort) held.add(port.nodePort);
  if (spec?.healthCheckNodePort) held.add(spec.healthCheckNodePort);
  return held;
}

export function addressClaims(options: AddressClaimsOptions): AddressClaims {
  const { state, services, addresses, clock } = options;
  /** What Services gave up lately, and at which revision: an older claim of it is void. */
  const released = new Map<Held, { readonly revision: number; readonly at: number }>();

  function release(before: Service, after: Service | undefined, revision: number): void {
    const kept = heldBy(after?.spec);
    for (const held of heldBy(before.spec)) {
      if (kept.has(held)) continue;
      released.set(held, { revision, at: clock.now() });
      addresses.forget(held, ownerOf(before));
    }
  }
  const unsubscribe = services.subscribe({
    updated: (service, old) => release(old, service, Number(service.metadata.resourceVersion)),
    deleted: (service) => release(service, undefined, Number(service.metadata.resourceVersion)),
  });

  /** A stored Service that has it, other than `owner`. */
  const takenBy = (held: Held, owner: string) =>
    services.list().some((service) => ownerOf(service) !== owner && heldBy(service.spec).has(held));

  /** Whether the claim of another still counts. */
  function counts(held: Held, entry: Entry, claim: Claim): boolean {
    const since = released.get(held);
    if (since !== undefined && since.revision > entry.revision) return false;
    return clock.now() - claim.at < FRESH;
  }

  /** True when nobody else can have it now. */
  async function take(held: Held, owner: string): Promise<boolean> {
    const key = keyOf(held);
    for (;;) {
      const entry = state.view().get(key);
      const claim = entry && claimIn(entry);
      if (claim !== undefined && claim.owner !== owner && counts(held, entry!, claim)) return false;
      if (takenBy(held, owner)) return false;
      const value = Buffer.from(JSON.stringify({ owner, at: clock.now() } satisfies Claim));
      const result = await state.commit({ key, expected: entry?.revision ?? 0, value });
      // Everything before our claim is visible now: a Service that another server stored under an older claim, too.
      if (result.committed) return !takenBy(held, owner);
    }
  }

  const fresh = async () => state.reached(await state.head());

  async function settle(service: Service, old: Service | undefined): Promise<void> {
    const owner = ownerOf(service);
    const before = heldBy(old?.spec);
    for (const wanted of heldBy(service.spec)) {
      if (before.has(wanted)) continue;
      let held: Held = wanted;
      while (!(await take(held, owner))) {
        const claimant = { owner, now: clock.monotonic(), dryRun: false };
        const chosen = addresses.chose(held, owner);
        const next = !chosen
          ? undefined
          : typeof held === "number"
            ? addresses.allocatePort(claimant)
            : addresses.allocate(claimant);
        if (next === undefined) throw refusal(service, held, chosen);
        replace(service.spec, held, next);
        held = next;
      }
    }
  }

  const concerns = ({ resource, subresource, operation, dryRun }: AdmissionAttributes) =>
    resource.resource === "services" &&
    resource.group === "" &&
    subresource === "" &&
    !dryRun &&
    (operation === "CREATE" || operation === "UPDATE");

  return {
    async admit(attributes) {
      if (!concerns(attributes)) return;
      // Who asks for what another server just gave up must not be refused for it.
      if (heldBy((attributes.object as Service).spec).size > 0) await fresh();
    },
    async validate(attributes) {
      if (concerns(attributes)) await settle(attributes.object as Service, attributes.oldObject as Service | undefined);
    },
    async sweep() {
      const now = clock.now();
      for (const [held, { at }] of released) if (now - at > FRESH) released.delete(held);
      const all = new Map<Held, string>();
      for (const service of services.list()) for (const held of heldBy(service.spec)) all.set(held, ownerOf(service));
      for (const prefix of [ADDRESSES, PORTS]) {
        for (const entry of [...state.view().range(prefix)]) {
          const text = entry.key.slice(prefix.length);
          const claim = claimIn(entry);
          if (all.has(prefix === PORTS ? Number(text) : text)) continue;
          if (claim !== undefined && now - claim.at < FRESH) continue;
          await state.commit({ key: entry.key, expected: entry.revision, value: undefined });
        }
      }
    },
    close: unsubscribe,
  };
}

/** undefined for what is no claim: it counts for nothing. */
function claimIn(entry: Entry): Claim | undefined {
  try {
    const { value } = parseJSON(entry.value);
    if (!isObject(value)) return undefined;
    const { owner, at } = value;
    return typeof owner === "string" && typeof at === "number" ? { owner, at } : undefined;
  } catch {
    return undefined;
  }
}

function replace(spec: ServiceSpec, held: Held, next: Held): void {
  if (typeof next === "string") {
    spec.clusterIP = next;
    spec.clusterIPs = [next];
    return;
  }
  for (const port of spec.ports ?? []) if (port.nodePort === held) port.nodePort = next;
  if (spec.healthCheckNodePort === held) spec.healthCheckNodePort = next;
}

/** In the words of a single server (kinds/core/service-network.ts). */
function refusal(service: Service, held: Held, full: boolean) {
  const name = service.metadata.name ?? "";
  const at = (service.spec.ports ?? []).findIndex((port) => port.nodePort === held);
  const error =
    typeof held === "string"
      ? full
        ? invalidValue("spec.clusterIPs", [""], "failed to allocate a serviceIP: range is full")
        : invalidValue("spec.clusterIPs", [held], `failed to allocate IP ${held}: provided IP is already allocated`)
      : at < 0
        ? invalidValue(
            "spec.healthCheckNodePort",
            held,
            `failed to allocate requested HealthCheck NodePort ${held}: provided port is already allocated`,
          )
        : invalidValue(
            `spec.ports[${at}].nodePort`,
            full ? 0 : held,
            full ? "failed to allocate a nodePort: range is full" : "provided port is already allocated",
          );
  return invalid({ group: "", kind: "Service" }, name, [error]);
}
