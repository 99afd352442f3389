/** What the sqlite engine and its writer thread say to each other. Bytes of many rows travel in one buffer, which is handed over and not copied. */
import type { Revision } from "../engine.ts";
import type { StoreErrorCode } from "../errors.ts";

/** Several writes, in order. `lengths[i]` is -1 for a removal; `expires[i]` 0 for no expiry, else milliseconds since the epoch. */
export interface CommitRequest {
  readonly type: "commit";
  readonly id: number;
  readonly keys: readonly string[];
  readonly expected: readonly Revision[];
  readonly lengths: readonly number[];
  readonly expires: readonly number[];
  readonly bytes: ArrayBuffer;
}

export type Request =
  | CommitRequest
  /** The rows of keys >= `from` that start with `prefix`, as they were at revision `at`. */
  | {
      readonly type: "scan";
      readonly id: number;
      readonly prefix: string;
      readonly from: string;
      readonly at: Revision;
    }
  /** The changes after `after` up to `upTo`. */
  | { readonly type: "changes"; readonly id: number; readonly after: Revision; readonly upTo: Revision }
  | { readonly type: "compact"; readonly id: number; readonly revision: Revision }
  | { readonly type: "close"; readonly id: number };

/** Rows of a page; `lengths[i]` is -1 for a removal. */
export interface PackedRows {
  readonly keys: readonly string[];
  readonly revisions: readonly Revision[];
  readonly lengths: readonly number[];
  readonly bytes: ArrayBuffer;
}

export type Reply =
  | {
      readonly type: "opened";
      readonly head: Revision;
      readonly compacted: Revision;
      readonly expiring: readonly { readonly key: string; readonly revision: Revision; readonly at: number }[];
    }
  /** One transaction: for each commit request its results. Above 0: committed at; else minus the current revision. */
  | {
      readonly type: "committed";
      readonly ids: readonly number[];
      readonly results: readonly (readonly number[])[];
    }
  /** `next`: where the following page starts; undefined after the last. */
  | { readonly type: "page"; readonly id: number; readonly rows: PackedRows; readonly next: string | undefined }
  | { readonly type: "expired"; readonly id: number; readonly compacted: Revision }
  | { readonly type: "compacted"; readonly id: number; readonly compacted: Revision }
  | { readonly type: "closed"; readonly id: number }
  /** `ids` is empty when opening failed. */
  | {
      readonly type: "failed";
      readonly ids: readonly number[];
      readonly code: StoreErrorCode;
      readonly message: string;
      /** Nothing is written any more. */
      readonly final: boolean;
    };

export interface RawRow {
  readonly key: string;
  readonly revision: Revision;
  readonly value: Uint8Array | null;
}

export function pack(rows: readonly RawRow[]): PackedRows {
  let total = 0;
  for (const { value } of rows) total += value?.length ?? 0;
  const bytes = new Uint8Array(total);
  let at = 0;
  for (const { value } of rows) {
    if (value === null) continue;
    bytes.set(value, at);
    at += value.length;
  }
  return {
    keys: rows.map(({ key }) => key),
    revisions: rows.map(({ revision }) => revision),
    lengths: rows.map(({ value }) => value?.length ?? -1),
    bytes: bytes.buffer,
  };
}

/** The values are views of one buffer. */
export function unpack(packed: PackedRows): { key: string; revision: Revision; value: Uint8Array | undefined }[] {
  let at = 0;
  return packed.keys.map((key, index) => {
    const length = packed.lengths[index]!;
    const value = length < 0 ? undefined : new Uint8Array(packed.bytes, at, length);
    at += Math.max(0, length);
    return { key, revision: packed.revisions[index]!, value };
  });
}
