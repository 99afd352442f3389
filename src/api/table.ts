/** The Table of `meta.k8s.io`: what `kubectl get` prints (spec: apiserver 6.2). Types and constants only. */
import type { KubeObject, ListMeta } from "./meta.ts";

export interface TableColumnDefinition {
  name: string;
  type: string;
  format: string;
  description: string;
  priority: number;
}

export interface TableRowCondition {
  type: string;
  status: string;
  reason?: string;
  message?: string;
}

export interface TableRow {
  cells: (string | number | boolean | null)[];
  conditions?: TableRowCondition[];
  /** The object or its PartialObjectMetadata, or null, as `includeObject` asked. */
  object?: KubeObject | null;
}

export interface Table {
  kind: "Table";
  apiVersion: "meta.k8s.io/v1" | "meta.k8s.io/v1beta1";
  metadata: ListMeta;
  columnDefinitions: TableColumnDefinition[];
  rows: TableRow[];
}

export type IncludeObject = "None" | "Metadata" | "Object";

export const NAME_DESCRIPTION =
  "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to request the generation of an appropriate name automatically. Name is primarily intended for creation idempotence and configuration definition. Cannot be updated. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names";

/** What a cell shows for a value that is not there. */
export const UNKNOWN = "<unknown>";
export const NONE = "<none>";
export const UNSET = "<unset>";
