/**
 * The four classes this house needs of prom-client, without the rest: its front door also loads collectors of process figures and with
 * them fifty files of OpenTelemetry, which is half of what a small server would load.
 */
import { createRequire } from "node:module";
import type * as whole from "prom-client";

const require = createRequire(import.meta.url);

export const Counter: typeof whole.Counter = require("prom-client/lib/counter.js");
export const Gauge: typeof whole.Gauge = require("prom-client/lib/gauge.js");
export const Histogram: typeof whole.Histogram = require("prom-client/lib/histogram.js");
export const Registry: typeof whole.Registry = require("prom-client/lib/registry.js");
const generators: Pick<typeof whole, "exponentialBuckets"> = require("prom-client/lib/bucketGenerators.js");
export const { exponentialBuckets } = generators;

export type Gauge<T extends string = string> = whole.Gauge<T>;
export type Registry = whole.Registry;
