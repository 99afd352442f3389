/** Words of the Table of `meta.k8s.io`, which is what `kubectl get` prints (spec: apiserver 6.2). */

/** What `?includeObject=` asks for in each row. */
export type IncludeObject = "None" | "Metadata" | "Object";

/** What a cell shows for a value that is not there. */
export const UNKNOWN = "<unknown>";
export const NONE = "<none>";
export const UNSET = "<unset>";
