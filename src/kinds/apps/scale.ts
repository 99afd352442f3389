/** The `scale` sub-resource of workloads: an autoscaling/v1 Scale read from and written into the parent. */
import { fieldElement } from "../../api/apply/field-set.ts";
import type { ReplicasPaths } from "../../api/apply/scale-owners.ts";
import { invalidValue } from "../../api/field-errors.ts";
import type { KubeObject } from "../../api/meta.ts";
import { labelSelectorFromObject } from "../../api/selectors.ts";
import type { Strategy, Subresource, TableColumns } from "../../server/resource.ts";
import { AGE_COLUMN, age, integerColumn, NAME_COLUMN } from "../columns.ts";
import { STATUS_VERBS } from "../define.ts";
import type { Deployment, ReplicaSet, Scale } from "../generated/types.ts";
import { codecFor } from "../tables.ts";

const SCALE = { group: "autoscaling", version: "v1", kind: "Scale" };

const IN_SPEC = [fieldElement("spec"), fieldElement("replicas")];
/** Every version of the group that ever was keeps it in the same place. */
const REPLICAS: ReplicasPaths = new Map(["apps/v1beta1", "apps/v1beta2", "apps/v1"].map((name) => [name, IN_SPEC]));

/** What a negative number is told. */
export const NOT_NEGATIVE = "must be greater than or equal to 0";

const TABLE: TableColumns = {
  columns: [
    NAME_COLUMN,
    integerColumn("Desired", "Replicas that are wanted."),
    integerColumn("Available", "Replicas that were seen."),
    AGE_COLUMN,
  ],
  cells: (object, now) => {
    const { metadata, spec, status } = object as Scale;
    return [metadata.name ?? "", spec?.replicas ?? 0, status?.replicas ?? 0, age(object, now)];
  },
};

function read(parent: Deployment | ReplicaSet): KubeObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = parent.metadata;
  const metadata: KubeObject["metadata"] = {};
  if (name !== undefined) metadata.name = name;
  if (namespace !== undefined) metadata.namespace = namespace;
  if (uid !== undefined) metadata.uid = uid;
  if (resourceVersion !== undefined) metadata.resourceVersion = resourceVersion;
  if (creationTimestamp) metadata.creationTimestamp = creationTimestamp;
  const spec: Scale["spec"] = {};
  const replicas = parent.spec.replicas ?? 1;
  if (replicas !== 0) spec.replicas = replicas;
  const status: NonNullable<Scale["status"]> = { replicas: parent.status?.replicas ?? 0 };
  const selector = `${labelSelectorFromObject(parent.spec.selector)}`;
  if (selector !== "") status.selector = selector;
  return { apiVersion: "autoscaling/v1", kind: "Scale", metadata, spec, status };
}

/** `strategy`: the rules of updating the parent; they move its generation. */
export function scaleSubresource<T extends Deployment | ReplicaSet>(strategy: Strategy<T>): Subresource<T> {
  return {
    name: "scale",
    verbs: STATUS_VERBS,
    kind: SCALE,
    codec: codecFor(SCALE),
    table: TABLE,
    strategy,
    projection: {
      replicas: REPLICAS,
      read,
      write(parent, body) {
        const replicas = (body as Scale).spec?.replicas ?? 0;
        if (replicas < 0) return [invalidValue("spec.replicas", replicas, NOT_NEGATIVE)];
        parent.spec.replicas = replicas;
        return [];
      },
    },
  };
}
