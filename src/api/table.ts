/** The Table of `meta.k8s.io`: what `kubectl get` prints (spec: apiserver 6.2). Types and constants only. */
import type { KubeObject } from "./meta.ts";

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

export type IncludeObject = "None" | "Metadata" | "Object";

/** What a cell shows for a value that is not there. */
export const UNKNOWN = "<unknown>";
export const NONE = "<none>";
export const UNSET = "<unset>";
