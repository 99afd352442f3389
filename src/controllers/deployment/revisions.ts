/** The history of a Deployment: each ReplicaSet is one revision, numbered in an annotation. */
import { byCreation, type Deployment, type ReplicaSet } from "../objects.ts";
import { sameTemplate } from "./hash.ts";
import { DESIRED_REPLICAS, MAX_REPLICAS, maxSurge, wanted } from "./sizes.ts";

export const REVISION = "deployment.kubernetes.io/revision";
const REVISION_HISTORY = "deployment.kubernetes.io/revision-history";
/** No set's list of earlier revisions is longer, characters. */
const LONGEST_HISTORY = 2000;

/** A Deployment's annotations that are not passed on. */
const OWN_ANNOTATIONS: ReadonlySet<string> = new Set([
  "kubectl.kubernetes.io/last-applied-configuration",
  REVISION,
  REVISION_HISTORY,
  DESIRED_REPLICAS,
  MAX_REPLICAS,
  "deprecated.deployment.rollback.to",
]);

type Annotations = Readonly<Record<string, string>>;

/** 0 when there is none, undefined when it is no number. */
function numberOf(text: string | undefined): number | undefined {
  if (text === undefined) return 0;
  return /^[+-]?\d{1,15}$/.test(text) ? Number(text) : undefined;
}

export function revisionOf(set: ReplicaSet): number | undefined {
  return numberOf(set.metadata.annotations?.[REVISION]);
}

export interface Sets {
  /** The oldest set whose template is the Deployment's. */
  readonly current: ReplicaSet | undefined;
  /** All others, oldest first. */
  readonly old: readonly ReplicaSet[];
}

export function currentAndOld(deployment: Deployment, sets: readonly ReplicaSet[]): Sets {
  const sorted = [...sets].sort(byCreation);
  const current = sorted.find((set) => sameTemplate(set.spec.template ?? {}, deployment.spec.template));
  return { current, old: sorted.filter((set) => set !== current) };
}

/** One more than the highest of the old ones. */
export function nextRevision(old: readonly ReplicaSet[]): number {
  return Math.max(0, ...old.map((set) => revisionOf(set) ?? 0)) + 1;
}

/** By revision; by age where that says nothing. */
export function byRevision(a: ReplicaSet, b: ReplicaSet): number {
  const [first, second] = [revisionOf(a), revisionOf(b)];
  if (first === undefined || second === undefined || first === second) return byCreation(a, b);
  return first - second;
}

/** The annotations of the current set, given the revision it is to have; the same object when nothing changes. */
export function currentAnnotations(deployment: Deployment, before: Annotations, revision: number): Annotations {
  const passed = Object.entries(deployment.metadata.annotations ?? {}).filter(
    ([name, value]) => !OWN_ANNOTATIONS.has(name) && !(Object.hasOwn(before, name) && before[name] === value),
  );
  const copied: Annotations = passed.length === 0 ? before : { ...before, ...Object.fromEntries(passed) };
  const text = Object.hasOwn(before, REVISION) ? before[REVISION] : undefined;
  const old = text === "" ? 0 : numberOf(text);
  // A number somebody else wrote is not ours to raise; neither is what else they changed about this set.
  if (old === undefined) return before;
  if (old >= revision) return copied;
  const raised = { ...copied, [REVISION]: String(revision) };
  if (text === undefined) return raised;
  const history = withRevision(Object.hasOwn(before, REVISION_HISTORY) ? (before[REVISION_HISTORY] ?? "") : "", text);
  return history === undefined ? raised : { ...raised, [REVISION_HISTORY]: history };
}

/** The list with one more, the oldest ones dropped when it grows too long; undefined when it does not fit at all. */
function withRevision(history: string, revision: string): string | undefined {
  if (history === "") return revision;
  const list = [...history.split(","), revision];
  while (list.length > 1 && list.join(",").length > LONGEST_HISTORY) list.shift();
  const text = list.join(",");
  return text.length <= LONGEST_HISTORY ? text : undefined;
}

/** The sizes a set is annotated with: what the Deployment wanted, and the most it might have had. */
export function sizeAnnotations(deployment: Deployment): Annotations {
  return {
    [DESIRED_REPLICAS]: String(wanted(deployment)),
    [MAX_REPLICAS]: String(wanted(deployment) + maxSurge(deployment)),
  };
}
