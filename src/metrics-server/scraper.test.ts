import { describe, expect, it } from "vitest";
import { SimulatedClock, seededRandom } from "../api/simulated.ts";
import { kubeletTarget } from "./kubelet-target.ts";
import { type FetchPayload, Scraper } from "./scraper.ts";

const PAYLOAD = new TextEncoder().encode("node_cpu_usage_seconds_total 1\nnode_memory_working_set_bytes 2\n");

function scraperWith(fetch: FetchPayload) {
  const clock = new SimulatedClock();
  const requests: string[] = [];
  const scraper = new Scraper({
    clock,
    random: seededRandom(7),
    requestTimeoutMilliseconds: 10_000,
    fetch,
    observer: {
      requested: (node, seconds, error) => requests.push(`${node} ${seconds.toFixed(0)}s ${error?.message ?? "ok"}`),
    },
  });
  return { clock, scraper, requests };
}

const names = (count: number) => Array.from({ length: count }, (_, index) => `n${index}`);

describe("one tick over the fleet", () => {
  it("returns every node that answered, and reports the others", async () => {
    const { clock, scraper, requests } = scraperWith(async (node) => {
      if (node === "n1") throw new Error("status 500");
      return PAYLOAD;
    });
    const scraped = scraper.scrape(names(3));
    await clock.advance(100);
    expect([...(await scraped).keys()]).toEqual(["n0", "n2"]);
    expect(requests.sort()).toEqual(["n0 0s ok", "n1 0s status 500", "n2 0s ok"]);
  });

  it("gives a hanging node its timeout and the others their results", async () => {
    const { clock, scraper, requests } = scraperWith((node, signal) =>
      node === "n0"
        ? new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)))
        : Promise.resolve(PAYLOAD),
    );
    const scraped = scraper.scrape(names(2));
    await clock.advance(11_000);
    expect([...(await scraped).keys()]).toEqual(["n1"]);
    expect(requests).toContain("n0 10s no answer within 10000 ms");
  });

  it("counts a malformed payload as a failure of its node alone", async () => {
    const { clock, scraper, requests } = scraperWith(async (node) =>
      node === "n0" ? new TextEncoder().encode("{") : PAYLOAD,
    );
    const scraped = scraper.scrape(names(2));
    await clock.advance(100);
    expect([...(await scraped).keys()]).toEqual(["n1"]);
    expect(requests.find((request) => request.startsWith("n0"))).toMatch(/line 1/);
  });

  it("ends with its round, whoever has not answered by then", async () => {
    const { clock, scraper, requests } = scraperWith((_, signal) => {
      return new Promise((__, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    });
    const round = new AbortController();
    const scraped = scraper.scrape(names(2), round.signal);
    await clock.advance(100);
    round.abort(new Error("the round took too long"));
    await clock.advance(0);
    expect((await scraped).size).toBe(0);
    expect(requests).toHaveLength(2);
    expect(clock.waiting).toBe(0);
  });

  it.each([
    [100, 800],
    [1000, 4000],
  ])("starts the requests to %i nodes within %i ms, not at once", async (count, longest) => {
    const started: number[] = [];
    const { clock, scraper } = scraperWith(async () => {
      started.push(clock.monotonic());
      return PAYLOAD;
    });
    const scraped = scraper.scrape(names(count));
    await clock.advance(longest);
    expect((await scraped).size).toBe(count);
    expect(Math.max(...started)).toBeLessThan(longest);
    expect(Math.max(...started) - Math.min(...started)).toBeGreaterThan(longest / 2);
  });
});

describe("where a node is scraped", () => {
  const node = (status: object, annotations = {}) => ({ metadata: { name: "n", annotations }, status });
  const options = {
    scheme: "https" as const,
    port: 10250,
    useNodeStatusPort: false,
    preferredAddressTypes: ["InternalIP", "Hostname"],
  };
  const addresses = [
    { type: "Hostname", address: "host" },
    { type: "InternalIP", address: "10.0.0.1" },
  ];

  it.each([
    ["prefers the first type of the list", node({ addresses }), {}, "https://10.0.0.1:10250/metrics/resource"],
    [
      "brackets IPv6",
      node({ addresses: [{ type: "InternalIP", address: "fd00::1" }] }),
      {},
      "https://[fd00::1]:10250/metrics/resource",
    ],
    [
      "takes another path from the annotation",
      node({ addresses }, { "metrics.k8s.io/resource-metrics-path": "/m/n" }),
      {},
      "https://10.0.0.1:10250/m/n",
    ],
    [
      "takes the port the node reports",
      node({ addresses, daemonEndpoints: { kubeletEndpoint: { Port: 12345 } } }),
      { useNodeStatusPort: true },
      "https://10.0.0.1:12345/metrics/resource",
    ],
    [
      "keeps its own port when the node reports none",
      node({ addresses, daemonEndpoints: { kubeletEndpoint: { Port: 0 } } }),
      { useNodeStatusPort: true },
      "https://10.0.0.1:10250/metrics/resource",
    ],
  ])("%s", (_, object, changed, expected) => {
    expect(kubeletTarget(object, { ...options, ...changed })).toBe(expected);
  });

  it("says which addresses a node has when none fits", () => {
    expect(() => kubeletTarget(node({ addresses: [{ type: "ExternalIP", address: "1.2.3.4" }] }), options)).toThrow(
      "node n has no address of the types InternalIP, Hostname; it has ExternalIP 1.2.3.4",
    );
  });

  it.each([
    ["@elsewhere/", "https://10.0.0.1:10250/@elsewhere/"],
    ["/a?b#c", "https://10.0.0.1:10250/a%3Fb%23c"],
  ])("never asks another host or path than the annotation %j may name", (path, expected) => {
    const annotated = node({ addresses }, { "metrics.k8s.io/resource-metrics-path": path });
    expect(kubeletTarget(annotated, options)).toBe(expected);
  });

  it("refuses an address that is no host", () => {
    const odd = node({ addresses: [{ type: "InternalIP", address: "10.0.0.1:1/x@elsewhere" }] });
    expect(() => kubeletTarget(odd, options)).toThrow('the InternalIP "10.0.0.1:1/x@elsewhere", which is no host');
  });
});
