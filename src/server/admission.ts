/** Admission: what may change or refuse a write between decoding and storing (spec: apiserver 2.3, 9). */
import type { GroupVersionKind, GroupVersionResource, KubeObject } from "../api/meta.ts";
import type { UserInfo } from "./identity.ts";

export interface AdmissionAttributes {
  readonly operation: "CREATE" | "UPDATE" | "DELETE" | "CONNECT";
  readonly kind: GroupVersionKind;
  readonly resource: GroupVersionResource;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  readonly user: UserInfo;
  readonly dryRun: boolean;
  /** The object as it will be stored; undefined for DELETE and CONNECT. `admit` may change it in place. */
  readonly object: KubeObject | undefined;
  readonly oldObject: KubeObject | undefined;
  warn(text: string): void;
}

/** Throws a StatusError to refuse. `admit` runs before, `validate` after the strategy's own validation. */
export interface Admission {
  admit?(attributes: AdmissionAttributes): Promise<void> | void;
  validate?(attributes: AdmissionAttributes): Promise<void> | void;
}
