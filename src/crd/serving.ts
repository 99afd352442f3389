/** A definition that is served: its resource in each version, compiled when somebody asks for it and let go when others are asked for more. */
import { forbidden } from "../api/status.ts";
import type { Admission } from "../server/admission.ts";
import { type LocalBackend, type LocalBackendOptions, localBackend } from "../server/verbs/local-backend.ts";
import { type Digest, isTrue, parseDefinition } from "./digest.ts";
import { customResource } from "./resource.ts";

/** What all backends of the process share. */
export type Common = Omit<LocalBackendOptions, "group" | "version" | "source" | "resources" | "openapi" | "retired">;

export class Serving {
  /** The latest; its spec and accepted names never change. */
  digest: Digest;
  readonly #retired = new AbortController();
  readonly #compiled = new Map<string, LocalBackend>();

  constructor(digest: Digest) {
    this.digest = digest;
  }

  /** Whether requests are answered by `digest` as they are by this one. */
  fits(digest: Digest): boolean {
    const { uid, specHash, acceptedNames } = this.digest;
    return (
      uid === digest.uid &&
      specHash === digest.specHash &&
      JSON.stringify(acceptedNames) === JSON.stringify(digest.acceptedNames)
    );
  }

  /** The compiled form, made from `read`'s bytes when there is none. */
  backend(version: string, common: Common, read: () => Uint8Array | undefined): LocalBackend | undefined {
    let backend = this.#compiled.get(version);
    if (backend === undefined) {
      const bytes = read();
      if (bytes === undefined) return undefined;
      const definition = customResource(this.digest, parseDefinition(bytes), version);
      backend = localBackend({
        ...common,
        admission: this.#withoutCreates(common.admission),
        group: definition.group,
        version,
        source: "crd",
        resources: [{ definition }],
        retired: this.#retired.signal,
      });
      this.#compiled.set(version, backend);
    }
    return backend;
  }

  get compiled(): boolean {
    return this.#compiled.size > 0;
  }

  /** Lets the compiled forms go; requests and watches that run keep theirs. */
  release(): void {
    this.#compiled.clear();
  }

  /** Something else serves from now on, or nothing: watches end. */
  retire(): void {
    this.release();
    this.#retired.abort();
  }

  #withoutCreates(admission: Admission | undefined): Admission {
    const refuse: Admission["admit"] = ({ operation, resource, name }) => {
      if (operation === "CREATE" && isTrue(this.digest, "Terminating")) {
        throw forbidden(resource, name, "create not allowed while custom resource definition is terminating");
      }
    };
    return {
      ...admission,
      admit(attributes) {
        refuse(attributes);
        return admission?.admit?.(attributes);
      },
    };
  }
}

/** Compiled forms in the order of their use, within a budget of the bytes of their definitions. */
export class CompiledForms {
  readonly #budget: number;
  readonly #inUse = new Map<Serving, number>();
  #bytes = 0;

  /** `budget`: bytes of definitions; what is compiled of them takes several times as much. */
  constructor(budget: number) {
    this.#budget = budget;
  }

  used(serving: Serving): void {
    this.drop(serving);
    this.#inUse.set(serving, serving.digest.size);
    this.#bytes += serving.digest.size;
    for (const [oldest] of this.#inUse) {
      if (this.#bytes <= this.#budget || oldest === serving) break;
      this.drop(oldest);
      oldest.release();
    }
  }

  drop(serving: Serving): void {
    this.#bytes -= this.#inUse.get(serving) ?? 0;
    this.#inUse.delete(serving);
  }
}
