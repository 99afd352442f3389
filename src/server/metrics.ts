/** `/metrics`: counts kept in plain records while requests run, turned into text only when somebody scrapes (spec: apiserver 7.7). */
import type { Clock } from "../api/clock.ts";
import type { Exchange, Filter } from "./exchange.ts";
import { callThen } from "./filters/chain.ts";
import { requireRead } from "./paths.ts";
import { Gauge, Registry } from "./prometheus.ts";
import type { RequestInfo } from "./request-info.ts";
import { ServedExchange } from "./transports/served-exchange.ts";

/** Seconds, upstream's. */
const BUCKETS = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60];
/** More label sets than any honest server has; past it requests count as `other`. */
const MOST_SERIES = 10_000;

const VERBS: ReadonlyMap<string, string> = new Map([
  ["get", "GET"],
  ["list", "LIST"],
  ["watch", "WATCH"],
  ["create", "POST"],
  ["update", "PUT"],
  ["patch", "PATCH"],
  ["delete", "DELETE"],
  ["deletecollection", "DELETECOLLECTION"],
  ["post", "POST"],
  ["put", "PUT"],
  ["proxy", "CONNECT"],
]);

const SCOPES = ["", "resource", "namespace", "cluster"];

type Level<T> = Map<string, T>;

interface Series {
  readonly labels: string;
  /** Requests by status code. */
  readonly codes: Map<number, number>;
  readonly buckets: Float64Array;
  sum: number;
  count: number;
}

export class Metrics {
  /** Where other parts register their metrics; all of them appear at `/metrics`. */
  readonly registry = new Registry();
  readonly #clock: Clock;
  /** group → version → resource → sub-resource → verb → scope: looking a series up builds no string. */
  readonly #series: Level<Level<Level<Level<Level<Series[]>>>>> = new Map();
  #made = 0;
  readonly #other = newSeries(
    'verb="other",dry_run="",group="",version="",resource="",subresource="",scope="",component="apiserver"',
  );

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Lets the in-flight gauge read the current counts when scraped. */
  inFlight(current: () => { readonly reading: number; readonly writing: number }): void {
    const gauge: Gauge<"request_kind"> = new Gauge({
      name: "apiserver_current_inflight_requests",
      help: "Requests being served now, by kind; long-running ones are not counted.",
      labelNames: ["request_kind"],
      registers: [this.registry],
      collect() {
        const { reading, writing } = current();
        gauge.set({ request_kind: "readOnly" }, reading);
        gauge.set({ request_kind: "mutating" }, writing);
      },
    });
  }

  /** Outermost: it sees what the client is answered. */
  readonly filter: Filter = (exchange, next) => {
    const started = this.#clock.monotonic();
    return callThen(exchange, next, () => this.#observe(exchange, (this.#clock.monotonic() - started) / 1000));
  };

  async serve(exchange: Exchange): Promise<void> {
    requireRead(exchange);
    const text = `${this.#text()}${await this.registry.metrics()}`;
    exchange.response.send(200, "text/plain; version=0.0.4; charset=utf-8", text);
  }

  #observe(exchange: Exchange, seconds: number): void {
    const { status } = exchange.response;
    // A connection that was taken over or that broke before any answer has no code.
    if (status === 0 || (exchange instanceof ServedExchange && !exchange.parsed)) return;
    const series = this.#seriesOf(exchange.info, status);
    series.codes.set(status, (series.codes.get(status) ?? 0) + 1);
    series.sum += seconds;
    series.count++;
    for (let i = 0; i < BUCKETS.length; i++) {
      if (seconds <= BUCKETS[i]!) {
        series.buckets[i]!++;
        break;
      }
    }
  }

  #seriesOf(info: RequestInfo, status: number): Series {
    const { group, version, resource, subresource, verb } = info;
    const scope = !info.isResourceRequest ? 0 : info.name !== "" ? 1 : info.namespace !== "" ? 2 : 3;
    const known = this.#series.get(group)?.get(version)?.get(resource)?.get(subresource)?.get(verb)?.[scope];
    if (known !== undefined) return known;
    // Names that came from a client and led nowhere get no series of their own.
    if (status === 404 || status === 401 || status === 403 || this.#made >= MOST_SERIES) return this.#other;
    this.#made++;
    const labels = [
      ["verb", VERBS.get(verb) ?? "other"],
      ["dry_run", ""],
      ["group", group],
      ["version", version],
      ["resource", resource],
      ["subresource", subresource],
      ["scope", SCOPES[scope]!],
      ["component", "apiserver"],
    ];
    const series = newSeries(labels.map(([name, value]) => `${name}="${escapeLabel(value!)}"`).join(","));
    const verbs = below(below(below(below(this.#series, group), version), resource), subresource);
    let scopes = verbs.get(verb);
    if (scopes === undefined) {
      scopes = [];
      verbs.set(verb, scopes);
    }
    scopes[scope] = series;
    return series;
  }

  *#all(): Generator<Series> {
    for (const versions of this.#series.values())
      for (const resources of versions.values())
        for (const subresources of resources.values())
          for (const verbs of subresources.values())
            for (const scopes of verbs.values()) yield* scopes.filter((series) => series !== undefined);
    if (this.#other.count > 0) yield this.#other;
  }

  #text(): string {
    const lines = [
      "# HELP apiserver_request_total Requests by verb, resource and HTTP code.",
      "# TYPE apiserver_request_total counter",
    ];
    for (const { labels, codes } of this.#all())
      for (const [code, count] of codes) lines.push(`apiserver_request_total{${labels},code="${code}"} ${count}`);
    lines.push(
      "# HELP apiserver_request_duration_seconds How long requests took, in seconds.",
      "# TYPE apiserver_request_duration_seconds histogram",
    );
    for (const { labels, buckets, sum, count } of this.#all()) {
      let below = 0;
      for (const [i, bound] of BUCKETS.entries()) {
        below += buckets[i]!;
        lines.push(`apiserver_request_duration_seconds_bucket{${labels},le="${bound}"} ${below}`);
      }
      lines.push(
        `apiserver_request_duration_seconds_bucket{${labels},le="+Inf"} ${count}`,
        `apiserver_request_duration_seconds_sum{${labels}} ${sum}`,
        `apiserver_request_duration_seconds_count{${labels}} ${count}`,
      );
    }
    return `${lines.join("\n")}\n`;
  }
}

function newSeries(labels: string): Series {
  return { labels, codes: new Map(), buckets: new Float64Array(BUCKETS.length), sum: 0, count: 0 };
}

function below<T>(parent: Level<Level<T>>, key: string): Level<T> {
  let value = parent.get(key);
  if (value === undefined) {
    value = new Map();
    parent.set(key, value);
  }
  return value;
}

const escapeLabel = (text: string) => text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
