import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ExpositionError, readExposition } from "./exposition.ts";
import { ResourceMetricsDecoder } from "./resource-metrics.ts";

const NOW = 1_789_000_020_000;
const decode = (text: string) => new ResourceMetricsDecoder().decode(new TextEncoder().encode(text), NOW);

const container = (family: string, name: string, value: string, timestamp = "1789000012120") =>
  `container_${family}{container="${name}",namespace="shop",pod="cart"} ${value}${timestamp && ` ${timestamp}`}\n`;

describe("decoding a kubelet's resource metrics", () => {
  it("reads the node's CPU in nanoseconds and its memory in bytes", () => {
    const { node } = decode(
      "node_cpu_usage_seconds_total 357.35491 1789000011003\nnode_memory_working_set_bytes 1.616273408e+09 1789000011003\n",
    );
    expect(node).toEqual({
      startNanoseconds: 0,
      timestamp: 1789000011003,
      cpuNanoseconds: 357354910000,
      memoryBytes: 1616273408,
    });
  });

  it("groups the containers of a pod, and keeps the time of the last line of each", () => {
    const { pods } = decode(
      container("cpu_usage_seconds_total", "api", "41.250918307", "100000") +
        container("cpu_usage_seconds_total", "proxy", "3.5", "99000") +
        container("memory_working_set_bytes", "api", "9.437184e+07", "103000") +
        container("memory_working_set_bytes", "proxy", "1.6777216e+07", "99000") +
        container("start_time_seconds", "api", "1.7889990001234567e+09", ""),
    );
    const pod = pods.get("shop/cart");
    expect(pod?.containers.get("api")).toEqual({
      startNanoseconds: Math.trunc(1.7889990001234567e9 * 1e9),
      timestamp: 103000,
      cpuNanoseconds: 41250918307,
      memoryBytes: 94371840,
    });
    expect(pod?.containers.get("proxy")?.timestamp).toBe(99000);
  });

  it("takes the time of the last line even when memory comes first", () => {
    const { pods } = decode(
      container("memory_working_set_bytes", "api", "1024", "103000") +
        container("cpu_usage_seconds_total", "api", "1", "100000"),
    );
    expect(pods.get("shop/cart")?.containers.get("api")?.timestamp).toBe(100000);
  });

  it("gives lines without a timestamp the time of the request", () => {
    const { node } = decode("node_cpu_usage_seconds_total 1\nnode_memory_working_set_bytes 2\n");
    expect(node?.timestamp).toBe(NOW);
  });

  it.each([
    ["only a start time", container("start_time_seconds", "api", "5", "")],
    [
      "zero CPU in one of two containers",
      container("cpu_usage_seconds_total", "api", "0") +
        container("cpu_usage_seconds_total", "proxy", "1") +
        container("memory_working_set_bytes", "api", "1") +
        container("memory_working_set_bytes", "proxy", "1"),
    ],
    [
      "zero memory",
      container("cpu_usage_seconds_total", "api", "1") + container("memory_working_set_bytes", "api", "0"),
    ],
  ])("drops a whole pod with %s and keeps the node", (_, lines) => {
    const batch = decode(`${lines}node_cpu_usage_seconds_total 1\nnode_memory_working_set_bytes 2\n`);
    expect(batch.pods.size).toBe(0);
    expect(batch.node).toBeDefined();
  });

  it("drops a node without CPU and keeps its pods", () => {
    const batch = decode(
      container("cpu_usage_seconds_total", "api", "1") +
        container("memory_working_set_bytes", "api", "1") +
        "node_cpu_usage_seconds_total 0\nnode_memory_working_set_bytes 2\n",
    );
    expect(batch.node).toBeUndefined();
    expect([...batch.pods.keys()]).toEqual(["shop/cart"]);
  });

  it("ignores other families, and names that only begin like a known one", () => {
    const batch = decode(
      '# HELP x y\n# TYPE x counter\n\npod_cpu_usage_seconds_total{namespace="a",pod="b"} 4 5\nresource_scrape_error 1\n' +
        'container_cpu_usage_seconds_totalX{container="a",namespace="b",pod="c"} 1\n',
    );
    expect(batch).toEqual({ node: undefined, pods: new Map() });
  });

  it("is not fooled by a label whose name ends like another", () => {
    const { pods } = decode(
      'container_cpu_usage_seconds_total{container="a",mypod="x",namespace="n",pod="p"} 1\n' +
        'container_memory_working_set_bytes{container="a",mypod="x",namespace="n",pod="p"} 1\n',
    );
    expect([...pods.keys()]).toEqual(["n/p"]);
  });

  it("decodes an empty body to an empty batch", () => {
    expect(decode("")).toEqual({ node: undefined, pods: new Map() });
  });

  it("takes an optional timestamp after values with exponents, signs and 17 digits", () => {
    const values: number[] = [];
    readExposition(new TextEncoder().encode("a +1.5e-3\na 12345678901234567\na NaN\na +Inf 7\n"), {
      wants: () => true,
      sample: (_body, _start, _end, value) => values.push(value),
    });
    expect(values).toEqual([0.0015, Number("12345678901234567"), Number.NaN, Number.POSITIVE_INFINITY]);
  });

  it.each([
    ["a negative timestamp", "node_cpu_usage_seconds_total 1 -5\n", 1],
    ["a truncated last line", "a 1\nnode_cpu_usage_seconds_total 3", 2],
    ["no value", "a\n", 1],
    ["a bad number", "a 1.2.3\n", 1],
    ["a half exponent", "a 1e\n", 1],
    ["an open label block", 'a{b="c" 1\n', 1],
    ["an open label value", 'a{b="c 1\n', 1],
    ["a label without quotes", "a{b=c} 1\n", 1],
    ["something behind the timestamp", "a 1 2 3\n", 1],
    ["a fractional timestamp", "a 1 2.5\n", 1],
    ["a name that begins with a digit, in a family nobody reads", "pod_x 1\n9a 1\n", 2],
  ])("refuses the whole body for %s, and says where", (_, text, line) => {
    const failed = (() => {
      try {
        decode(text);
      } catch (error) {
        return error;
      }
    })();
    expect(failed).toBeInstanceOf(ExpositionError);
    expect((failed as ExpositionError).line).toBe(line);
  });

  it("refuses a container sample that lacks a label", () => {
    expect(() => decode('container_cpu_usage_seconds_total{container="a",pod="c"} 1\n')).toThrow(
      /lacks the label namespace/,
    );
  });

  it("reads every double exactly as JavaScript prints it", () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        const read: number[] = [];
        readExposition(new TextEncoder().encode(`a ${value}\n`), {
          wants: () => true,
          sample: (_body, _start, _end, number) => read.push(number),
        });
        expect(read[0] === 0 ? 0 : read[0]).toBe(value === 0 ? 0 : value);
      }),
    );
  });

  it("never does anything but decode or refuse", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.string({ maxLength: 200 }), (bytes, text) => {
        for (const body of [bytes, new TextEncoder().encode(`${text}\n`)]) {
          try {
            new ResourceMetricsDecoder().decode(body, NOW);
          } catch (error) {
            expect(error).toBeInstanceOf(Error);
          }
        }
      }),
    );
  });
});
