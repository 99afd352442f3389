/** API aggregation: APIServices become routes to other servers. */
export { type Aggregator, type AggregatorOptions, createAggregator } from "./aggregator.ts";
export { APISERVICES, type Availability, availableCondition, serviceOf } from "./api-service.ts";
export { type AggregatorMetrics, noMetrics } from "./metrics.ts";
export {
  AUTOMANAGED,
  autoRegistration,
  DEFINITION_PRIORITY,
  type Priority,
  type Registration,
  type RegistrationOptions,
} from "./registration.ts";
