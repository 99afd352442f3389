/** Objects in memory that are watched: what there is, and what changed last, each change with a resourceVersion of its own. */
import { stringifySorted } from "../api/json/canonical.ts";
import type { JSONValue, KubeObject, ObjectMeta } from "../api/meta.ts";
import { expired } from "../api/status.ts";
import type { Answer, Change } from "./resource.ts";

/** Changes that are remembered for watches that resume. */
const HISTORY = 1000;

interface Member<T extends KubeObject> {
  readonly object: Answer<T>;
  /** To tell whether it changed. */
  readonly text: string;
}

interface Logged<T extends KubeObject> {
  readonly revision: number;
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly object: Answer<T>;
}

/** Kinds leave their members open, which hides the one that is always there. */
const metadataOf = (object: object) => (object as { readonly metadata: ObjectMeta }).metadata;

function keyOf(object: object): string {
  const { namespace = "", name = "" } = metadataOf(object);
  return `${namespace}/${name}`;
}

export class Collection<T extends KubeObject> {
  readonly #members = new Map<string, Member<T>>();
  readonly #log: Logged<T>[] = [];
  readonly #waiting = new Set<() => void>();
  /** The oldest resourceVersion a watch may resume after. */
  #oldest: number;
  #revision: number;
  #failure: { readonly error: unknown } | undefined;

  /** `revision`: where to begin to count; later than any other instance did, so that clients of an earlier one start over. */
  constructor(revision: number) {
    this.#revision = revision;
    this.#oldest = revision;
  }

  get(namespace: string, name: string): Answer<T> | undefined {
    this.#check();
    return this.#members.get(`${namespace}/${name}`)?.object;
  }

  /** Of a namespace, or all of them (""). */
  list(namespace: string): { readonly items: readonly Answer<T>[]; readonly resourceVersion: string } {
    this.#check();
    const all = [...this.#members.values()].map(({ object }) => object);
    const items = namespace === "" ? all : all.filter((object) => metadataOf(object).namespace === namespace);
    return { items, resourceVersion: String(this.#revision) };
  }

  /** Makes it exactly `items`; what differs is a change. */
  replace(items: readonly Answer<T>[]): void {
    this.#failure = undefined;
    const present = new Set(items.map(keyOf));
    for (const [key, { object }] of [...this.#members]) if (!present.has(key)) this.apply("DELETED", object);
    for (const object of items) this.apply("MODIFIED", object);
  }

  /** What `type` means is decided by what is there: an ADDED of something known is a change of it, and no change is none. */
  apply(type: "ADDED" | "MODIFIED" | "DELETED", object: Answer<T>): void {
    const key = keyOf(object);
    const known = this.#members.get(key);
    if (type === "DELETED") {
      if (known === undefined) return;
      this.#members.delete(key);
      this.#append("DELETED", known.object);
      return;
    }
    const { resourceVersion: _, ...metadata } = metadataOf(object);
    const text = stringifySorted({ ...object, metadata } as unknown as JSONValue);
    if (known?.text === text) return;
    this.#members.set(key, { text, object: this.#append(known === undefined ? "ADDED" : "MODIFIED", object) });
  }

  /** Gets, lists and watches throw `error`, until the next `replace`. */
  fail(error: unknown): void {
    this.#failure = { error };
    this.#wake();
  }

  /** Changes after `since`, until `signal` aborts. Throws 410 for what is no longer, or not yet, remembered. */
  async *watch(namespace: string, since: string, signal: AbortSignal): AsyncGenerator<Change<T>, void> {
    let last = since === "" || since === "0" ? this.#revision : Number(since);
    if (!(last >= this.#oldest && last <= this.#revision)) {
      throw expired(`too old resource version: ${since} (${this.#oldest})`);
    }
    while (!signal.aborted) {
      if (last < this.#oldest) throw expired(`too old resource version: ${last} (${this.#oldest})`);
      this.#check();
      // Revisions have no gaps.
      const next = this.#log.slice(Math.max(0, this.#log.length - (this.#revision - last)));
      for (const { revision, type, object } of next) {
        last = revision;
        if (namespace === "" || metadataOf(object).namespace === namespace) yield { type, object };
      }
      if (next.length === 0) await this.#changed(signal);
    }
  }

  #append(type: Logged<T>["type"], object: Answer<T>): Answer<T> {
    const revision = ++this.#revision;
    const stamped = { ...object, metadata: { ...metadataOf(object), resourceVersion: String(revision) } };
    this.#log.push({ revision, type, object: stamped });
    if (this.#log.length > HISTORY) this.#oldest = this.#log.shift()!.revision;
    this.#wake();
    return stamped;
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const resolve of waiting) resolve();
  }

  #changed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.#waiting.delete(done);
        signal.removeEventListener("abort", done);
        resolve();
      };
      this.#waiting.add(done);
      signal.addEventListener("abort", done);
    });
  }
}
