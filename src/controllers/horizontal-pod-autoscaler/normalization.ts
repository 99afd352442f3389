/**
 * From what metrics ask for to what the target gets: nothing hasty, nothing out of bounds (spec: metrics 4.10, 4.11). What was asked and done
 * before is remembered in a History for each autoscaler; times are milliseconds.
 */
import { toInt32 } from "./integers.ts";

export interface Recommendation {
  readonly replicas: number;
  readonly at: number;
}

export interface ScaleEvent {
  /** How many came or went; never negative. */
  readonly change: number;
  readonly at: number;
  /** Its place may be taken. */
  outdated: boolean;
}

/** What is known of one autoscaler's past; begins empty with every process. */
export interface History {
  recommendations: Recommendation[];
  readonly ups: ScaleEvent[];
  readonly downs: ScaleEvent[];
}

export function newHistory(): History {
  return { recommendations: [], ups: [], downs: [] };
}

export interface ScalingPolicy {
  readonly type: string;
  readonly value: number;
  readonly periodSeconds: number;
}

export interface ScalingRules {
  readonly stabilizationWindowSeconds?: number;
  readonly selectPolicy?: string;
  readonly policies?: readonly ScalingPolicy[];
}

export interface Bounds {
  readonly current: number;
  readonly min: number;
  readonly max: number;
}

/** A condition's reason and message. */
export interface Said {
  readonly reason: string;
  readonly message: string;
}

export interface Normalized {
  readonly desired: number;
  readonly ableToScale: Said;
  readonly scalingLimited: Said & { readonly limited: boolean };
}

const READY: Said = { reason: "ReadyForNewScale", message: "recommended size matches current size" };
const UP_STABILIZED: Said = {
  reason: "ScaleUpStabilized",
  message: "recent recommendations were lower than current one, applying the lowest recent recommendation",
};
const DOWN_STABILIZED: Said = {
  reason: "ScaleDownStabilized",
  message: "recent recommendations were higher than current one, applying the highest recent recommendation",
};
const WITHIN: Said = {
  reason: "DesiredWithinRange",
  message: "the desired count is within the acceptable range",
};
const TOO_FEW: Said = {
  reason: "TooFewReplicas",
  message: "the desired replica count is less than the minimum replica count",
};
const TOO_MANY: Said = {
  reason: "TooManyReplicas",
  message: "the desired replica count is more than the maximum replica count",
};
const UP_LIMIT: Said = {
  reason: "ScaleUpLimit",
  message: "the desired replica count is increasing faster than the maximum scale rate",
};
const DOWN_LIMIT: Said = {
  reason: "ScaleDownLimit",
  message: "the desired replica count is decreasing faster than the maximum scale rate",
};

/** The first recommendation after a start is what there is: nothing shrinks before a whole window is known. */
export function recordInitial(history: History, replicas: number, now: number): void {
  if (history.recommendations.length === 0) history.recommendations = [{ replicas, at: now }];
}

/** In the place of one that no window sees any more, if there is one. */
function remember(history: History, place: number, replicas: number, now: number): void {
  if (place >= 0) history.recommendations[place] = { replicas, at: now };
  else history.recommendations.push({ replicas, at: now });
}

/** Without `behavior`: the highest recommendation of the window, at most twice as many as there are. `window`: milliseconds. */
export function normalize(
  history: History,
  proposal: number,
  { current, min, max }: Bounds,
  window: number,
  now: number,
): Normalized {
  const cutoff = now - window;
  let stabilized = proposal;
  let place = -1;
  history.recommendations.forEach(({ replicas, at }, index) => {
    if (at < cutoff) place = index;
    else if (replicas > stabilized) stabilized = replicas;
  });
  remember(history, place, proposal, now);
  const rate = toInt32(Math.max(2 * current, 4));
  const most = Math.min(max, rate);
  const [desired, said] =
    stabilized < min
      ? [min, TOO_FEW]
      : stabilized > most
        ? [most, max > rate ? UP_LIMIT : TOO_MANY]
        : [stabilized, WITHIN];
  return {
    desired,
    ableToScale: stabilized === proposal ? READY : DOWN_STABILIZED,
    scalingLimited: { ...said, limited: desired !== stabilized },
  };
}

export interface Behavior {
  readonly scaleUp?: ScalingRules;
  readonly scaleDown?: ScalingRules;
}

/** With `behavior`; `window`: of a scale-down that names none, milliseconds. */
export function normalizeWithBehavior(
  history: History,
  proposal: number,
  bounds: Bounds,
  behavior: Behavior,
  window: number,
  now: number,
): Normalized {
  const { scaleUp = {}, scaleDown = {} } = behavior;
  const downSeconds = scaleDown.stabilizationWindowSeconds ?? toInt32(window / 1000);
  const stabilized = stabilize(
    history,
    proposal,
    bounds.current,
    (scaleUp.stabilizationWindowSeconds ?? 0) * 1000,
    downSeconds * 1000,
    now,
  );
  const [desired, said] = limitRate(history, stabilized, bounds, { scaleUp, scaleDown }, now);
  const able = stabilized === proposal ? READY : proposal >= bounds.current ? UP_STABILIZED : DOWN_STABILIZED;
  return { desired, ableToScale: able, scalingLimited: { ...said, limited: desired !== stabilized } };
}

/** What there is, moved as little as the recommendations of both windows ask. */
function stabilize(
  history: History,
  proposal: number,
  current: number,
  upWindow: number,
  downWindow: number,
  now: number,
): number {
  const [upCutoff, downCutoff] = [now - upWindow, now - downWindow];
  let [up, down] = [proposal, proposal];
  let place = -1;
  history.recommendations.forEach(({ replicas, at }, index) => {
    if (at > upCutoff) up = Math.min(replicas, up);
    if (at > downCutoff) down = Math.max(replicas, down);
    if (at < upCutoff && at < downCutoff) place = index;
  });
  remember(history, place, proposal, now);
  return Math.min(Math.max(current, up), down);
}

function limitRate(
  history: History,
  desired: number,
  { current, min, max }: Bounds,
  { scaleUp, scaleDown }: Required<Behavior>,
  now: number,
): [number, Said] {
  if (desired > current) {
    const rate = Math.max(scaleUpLimit(history, current, scaleUp, now), current);
    const most = Math.min(max, rate);
    if (desired > most) return [most, max > rate ? UP_LIMIT : TOO_MANY];
  } else if (desired < current) {
    const rate = Math.min(scaleDownLimit(history, current, scaleDown, now), current);
    const least = Math.max(min, rate);
    if (desired < least) return [least, min < rate ? DOWN_LIMIT : TOO_FEW];
  }
  return [desired, WITHIN];
}

function changeWithin(events: readonly ScaleEvent[], seconds: number, now: number): number {
  const cutoff = now - seconds * 1000;
  let sum = 0;
  for (const { change, at } of events) if (at > cutoff) sum = (sum + change) | 0;
  return sum;
}

/** How many there were when the period began. */
function atStart(history: History, current: number, { periodSeconds }: ScalingPolicy, now: number): number {
  return (
    (current - changeWithin(history.ups, periodSeconds, now) + changeWithin(history.downs, periodSeconds, now)) | 0
  );
}

/** A policy of a type that nobody knows proposes what the one before it did. */
function proposals(
  history: History,
  current: number,
  rules: ScalingRules,
  now: number,
  byType: Readonly<Record<string, (start: number, value: number) => number>>,
): number[] {
  let proposed = 0;
  return (rules.policies ?? []).map((policy) => {
    const propose = Object.hasOwn(byType, policy.type) ? byType[policy.type] : undefined;
    if (propose !== undefined) proposed = propose(atStart(history, current, policy, now), policy.value);
    return proposed;
  });
}

/** The most that the policies allow now. */
function scaleUpLimit(history: History, current: number, rules: ScalingRules, now: number): number {
  if (rules.selectPolicy === "Disabled") return current;
  const all = proposals(history, current, rules, now, {
    Pods: (start, value) => (start + value) | 0,
    Percent: (start, value) => toInt32(Math.ceil(start * (1 + value / 100))),
  });
  return rules.selectPolicy === "Min" ? Math.min(2147483647, ...all) : Math.max(-2147483648, ...all);
}

/** The least that the policies allow now. */
function scaleDownLimit(history: History, current: number, rules: ScalingRules, now: number): number {
  if (rules.selectPolicy === "Disabled") return current;
  const all = proposals(history, current, rules, now, {
    Pods: (start, value) => (start - value) | 0,
    Percent: (start, value) => toInt32(start * (1 - value / 100)),
  });
  return rules.selectPolicy === "Min" ? Math.max(-2147483648, ...all) : Math.min(2147483647, ...all);
}

/** Remembers that the target was scaled, so that policies see it. Only autoscalers with a behavior have use for that. */
export function recordScaling(history: History, behavior: Behavior, before: number, after: number, now: number): void {
  const [events, rules] = after > before ? [history.ups, behavior.scaleUp] : [history.downs, behavior.scaleDown];
  const longest = Math.max(0, ...(rules?.policies ?? []).map(({ periodSeconds }) => periodSeconds));
  const cutoff = now - longest * 1000;
  let place = -1;
  events.forEach((event, index) => {
    if (event.at < cutoff) event.outdated = true;
    if (event.outdated) place = index;
  });
  const event: ScaleEvent = { change: Math.abs(after - before) | 0, at: now, outdated: false };
  if (place >= 0) events[place] = event;
  else events.push(event);
}
