/** How built-in group-versions rank in discovery (spec: aggregation 6.4). A group-version that is missing here gets no APIService. */

export interface Priority {
  /** `groupPriorityMinimum`. */
  readonly group: number;
  /** `versionPriority`. */
  readonly version: number;
}

/** group, priority of the group, versions with theirs. */
const TABLE: readonly (readonly [string, number, Readonly<Record<string, number>>])[] = [
  ["", 18_000, { v1: 1 }],
  ["apps", 17_800, { v1: 15 }],
  ["events.k8s.io", 17_750, { v1: 15, v1beta1: 5 }],
  ["authentication.k8s.io", 17_700, { v1: 15, v1beta1: 9, v1alpha1: 1 }],
  ["authorization.k8s.io", 17_600, { v1: 15 }],
  ["autoscaling", 17_500, { v1: 15, v2: 30, v2beta1: 9, v2beta2: 1 }],
  ["batch", 17_400, { v1: 15, v1beta1: 9, v2alpha1: 9 }],
  ["certificates.k8s.io", 17_300, { v1: 15, v1beta1: 9, v1alpha1: 1 }],
  ["networking.k8s.io", 17_200, { v1: 15, v1beta1: 9 }],
  ["policy", 17_100, { v1: 15, v1beta1: 9 }],
  ["rbac.authorization.k8s.io", 17_000, { v1: 15 }],
  ["storage.k8s.io", 16_800, { v1: 15, v1beta1: 9, v1alpha1: 1 }],
  ["apiextensions.k8s.io", 16_700, { v1: 15 }],
  ["admissionregistration.k8s.io", 16_700, { v1: 15, v1beta1: 12, v1alpha1: 9 }],
  ["scheduling.k8s.io", 16_600, { v1: 15, v1alpha2: 2 }],
  ["coordination.k8s.io", 16_500, { v1: 15, v1beta1: 13, v1alpha2: 12 }],
  ["node.k8s.io", 16_300, { v1: 15, v1beta1: 9, v1alpha1: 1 }],
  ["discovery.k8s.io", 16_200, { v1: 15, v1beta1: 12 }],
  ["resource.k8s.io", 16_200, { v1: 21, v1beta2: 15, v1beta1: 9, v1alpha3: 1 }],
  ["flowcontrol.apiserver.k8s.io", 16_100, { v1: 21, v1beta3: 18, v1beta2: 15, v1beta1: 12, v1alpha1: 9 }],
  ["internal.apiserver.k8s.io", 16_000, { v1alpha1: 9 }],
  ["storagemigration.k8s.io", 15_800, { v1beta1: 9 }],
];

const priorities = new Map<string, Priority>(
  TABLE.flatMap(([group, priority, versions]) =>
    Object.entries(versions).map(([version, own]): [string, Priority] => [
      `${group}/${version}`,
      { group: priority, version: own },
    ]),
  ),
);

/** The priority of a built-in group-version, undefined when the table does not have it. */
export function builtinPriority(group: string, version: string): Priority | undefined {
  return priorities.get(`${group}/${version}`);
}
