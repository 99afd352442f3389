/** `tenon/api`: names, errors, selectors, quantities and times as Kubernetes defines them. No I/O, no clock. */
export type { Clock, Random, Timer } from "./clock.ts";
export * from "./field-errors.ts";
export * from "./meta.ts";
export * from "./names.ts";
export { canonicalQuantity, parseQuantity, Quantity } from "./quantity.ts";
export {
  everything,
  type LabelSelector,
  labelSelectorFromObject,
  parseFieldSelector,
  parseLabelSelector,
} from "./selectors.ts";
export * from "./status.ts";
export { formatMicroTime, formatTime, humanDuration, parseGoDuration, parseTime } from "./time.ts";
export { compareVersions } from "./version-order.ts";
