/** Role bindings by subject, so that a decision looks only at bindings that concern the user. */

import type { Lister } from "../../client/lister.ts";
import type { ClusterRoleBinding, RoleBinding, Subject } from "../../kinds/generated/types.ts";
import type { UserInfo } from "../../server/identity.ts";

export type Binding = ClusterRoleBinding | RoleBinding;

/** A binding that applies and the subject that makes it apply. */
export interface Applied<B extends Binding> {
  readonly binding: B;
  readonly subject: Subject;
}

/** The one place that says whom a subject means; undefined: nobody. */
function subjectKey(subject: Subject, namespace: string): string | undefined {
  if (subject.kind === "User") return `u:${subject.name}`;
  if (subject.kind === "Group") return `g:${subject.name}`;
  if (subject.kind !== "ServiceAccount") return undefined;
  const home = subject.namespace ? subject.namespace : namespace;
  return home === "" ? undefined : `u:system:serviceaccount:${home}:${subject.name}`;
}

type Index<B extends Binding> = Map<string, Map<string, Applied<B>>>;

/** Follows a lister; reads never scan. */
export class BindingIndex<B extends Binding> {
  /** namespace → subject → binding name → binding; cluster bindings are in namespace "". */
  readonly #byNamespace = new Map<string, Index<B>>();
  readonly #stop: () => void;

  constructor(lister: Lister<B>) {
    this.#stop = lister.subscribe({
      added: (binding) => this.#add(binding),
      updated: (binding, old) => {
        this.#remove(old);
        this.#add(binding);
      },
      deleted: (binding) => this.#remove(binding),
    });
  }

  close(): void {
    this.#stop();
  }

  /** Bindings of one namespace ("" for cluster bindings) that apply to `user`, in the order of their names, each once. */
  applied(user: UserInfo, namespace: string): Applied<B>[] {
    const index = this.#byNamespace.get(namespace);
    if (index === undefined) return [];
    const found = new Map<string, Applied<B>>();
    for (const key of [`u:${user.name}`, ...user.groups.map((group) => `g:${group}`)]) {
      for (const [name, applied] of index.get(key) ?? []) if (!found.has(name)) found.set(name, applied);
    }
    if (found.size < 2) return [...found.values()];
    return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, applied]) => applied);
  }

  #add(binding: B): void {
    const namespace = binding.metadata.namespace ?? "";
    let index = this.#byNamespace.get(namespace);
    if (index === undefined) {
      index = new Map();
      this.#byNamespace.set(namespace, index);
    }
    for (const subject of binding.subjects ?? []) {
      const key = subjectKey(subject, namespace);
      if (key === undefined) continue;
      let bindings = index.get(key);
      if (bindings === undefined) {
        bindings = new Map();
        index.set(key, bindings);
      }
      const name = binding.metadata.name ?? "";
      if (!bindings.has(name)) bindings.set(name, { binding, subject });
    }
  }

  #remove(binding: B): void {
    const namespace = binding.metadata.namespace ?? "";
    const index = this.#byNamespace.get(namespace);
    if (index === undefined) return;
    for (const subject of binding.subjects ?? []) {
      const key = subjectKey(subject, namespace);
      const bindings = key === undefined ? undefined : index.get(key);
      bindings?.delete(binding.metadata.name ?? "");
      if (bindings?.size === 0) index.delete(key!);
    }
    if (index.size === 0) this.#byNamespace.delete(namespace);
  }
}
