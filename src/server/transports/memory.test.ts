import { describe, expect, it } from "vitest";
import { SimulatedClock, seededRandom } from "../../api/simulated.ts";
import type { Exchange, Handler } from "../exchange.ts";
import { type MemoryTransportOptions, memoryTransport } from "./memory.ts";

const connect = (handler: Handler, options: Partial<MemoryTransportOptions> = {}) =>
  memoryTransport(handler, { clock: new SimulatedClock(), random: seededRandom(1), ...options });

async function text(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

const bytes = (value: string) => new TextEncoder().encode(value);

describe("memory transport", () => {
  it("carries method, target, headers, identity and body, and a whole response back", async () => {
    let seen: Exchange | undefined;
    const user = { name: "me", uid: "", groups: ["g"], extra: {} };
    const transport = connect(
      async (exchange) => {
        seen = exchange;
        const body = await exchange.body.bytes(100);
        exchange.response.setHeader("X-One", "1");
        exchange.response.setHeader("x-one", "2");
        exchange.response.addHeader("Many", "a");
        exchange.response.addHeader("Many", "b");
        exchange.response.send(201, "text/plain", `got ${Buffer.from(body)}`);
      },
      { user },
    );
    const response = await transport.request({
      method: "POST",
      path: "/a%20b?x=1&x=2&bad=%zz&semi;colon=1&plus=a+b",
      headers: { "X-Remote-User": "zoë日" },
      headerLines: [
        ["X-Many", "a, b"],
        ["X-Many", "c"],
      ],
      body: "hello",
    });
    expect(response.status).toBe(201);
    expect(response.headers).toMatchObject({
      "x-one": "2",
      many: "a, b",
      "content-length": "9",
      "content-type": "text/plain",
    });
    expect(await text(response.body)).toBe("got hello");
    expect(seen!.peer).toMatchObject({ transport: "memory", vouched: user });
    expect(seen!.rawPath).toBe("/a%20b");
    expect([...seen!.query]).toEqual([
      ["x", "1"],
      ["x", "2"],
      ["plus", "a b"],
    ]);
    expect(seen!.header("x-remote-user")).toBe("zoë日");
    expect(seen!.headers("x-many")).toEqual(["a, b", "c"]);
    expect(seen!.auditID).toMatch(/^[0-9a-f-]{36}$/);
  });

  it("reads info and user only after they were set, and sets them once", async () => {
    const transport = connect((exchange) => {
      expect(() => exchange.info).toThrow("before the request-info filter");
      expect(() => exchange.user).toThrow("before authentication");
      const first = { name: "a", uid: "", groups: [], extra: {} };
      const second = { ...first, name: "b" };
      exchange.user = first;
      expect(exchange.originalUser).toBeUndefined();
      exchange.user = second;
      expect(exchange.originalUser).toBe(first);
      expect(exchange.user).toBe(second);
      expect(() => {
        exchange.user = first;
      }).toThrow();
      exchange.response.send(200, "", "");
    });
    expect((await transport.request({ method: "GET", path: "/" })).status).toBe(200);
  });

  it("refuses a body past the limit and keeps what fits", async () => {
    const transport = connect(async (exchange) => {
      await expect(exchange.body.bytes(4)).rejects.toMatchObject({
        code: 413,
        message: "Request entity too large: limit is 4",
      });
      expect((await exchange.body.bytes(5)).byteLength).toBe(5);
      await expect(exchange.body.bytes(5)).rejects.toThrow("already taken");
      exchange.response.send(200, "", "");
    });
    await transport.request({ method: "POST", path: "/", body: "12345" });
    expect.assertions(3);
  });

  it("tells a fast writer to wait for a slow reader", async () => {
    const order: string[] = [];
    const transport = connect(
      async (exchange) => {
        exchange.response.start(200, "application/json");
        for (let i = 0; i < 6; i++) {
          if (!exchange.response.write(bytes("0123456789"))) {
            order.push(`full ${exchange.response.written}`);
            await exchange.response.drained();
          }
        }
        exchange.response.end();
      },
      { highWaterMark: 20 },
    );
    const response = await transport.request({ method: "GET", path: "/" });
    await Promise.resolve();
    expect(order).toEqual(["full 20"]);
    expect((await text(response.body)).length).toBe(60);
    expect(order.length).toBeGreaterThan(3);
  });

  it("cancels the exchange when the reader leaves, and ignores what is written after", async () => {
    let exchange!: Exchange;
    const transport = connect(async (it) => {
      exchange = it;
      it.response.start(200);
      it.response.write(bytes("one"));
      await new Promise((resolve) => it.signal.addEventListener("abort", resolve));
      it.response.write(bytes("two"));
      it.response.end();
    });
    const response = await transport.request({ method: "GET", path: "/" });
    for await (const chunk of response.body) {
      expect(Buffer.from(chunk).toString()).toBe("one");
      break;
    }
    expect(exchange.signal.aborted).toBe(true);
    expect(exchange.response.finished).toBe(true);
    expect(exchange.response.written).toBe(3);
  });

  it("rejects when the client's signal aborts before the head, and cuts the body after", async () => {
    const controller = new AbortController();
    const transport = connect(async (exchange) => {
      if (exchange.target === "/late") exchange.response.start(200);
      await new Promise((resolve) => exchange.signal.addEventListener("abort", resolve));
    });
    const early = transport.request({ method: "GET", path: "/", signal: controller.signal });
    const late = await transport.request({ method: "GET", path: "/late", signal: controller.signal });
    controller.abort(new Error("enough"));
    await expect(early).rejects.toThrow("enough");
    await expect(text(late.body)).rejects.toThrow("enough");
  });

  it("sends a HEAD response with the header of GET and no body; a broken response is an error", async () => {
    const transport = connect((exchange) => {
      if (exchange.target === "/cut") {
        exchange.response.start(200);
        exchange.response.write(bytes("x"));
        exchange.response.abort();
      } else exchange.response.send(200, "text/plain", "body");
    });
    const head = await transport.request({ method: "HEAD", path: "/" });
    expect(head.headers["content-length"]).toBe("4");
    expect(await text(head.body)).toBe("");
    const cut = await transport.request({ method: "GET", path: "/cut" });
    await expect(text(cut.body)).rejects.toThrow("cut off");
  });

  it("sends warnings once each, before the body", async () => {
    const transport = connect((exchange) => {
      exchange.warn('say "hi"');
      exchange.warn('say "hi"');
      exchange.warn("second");
      exchange.response.send(200, "", "");
      exchange.warn("too late");
    });
    const response = await transport.request({ method: "GET", path: "/" });
    expect(response.rawHeaders.filter((_, i) => response.rawHeaders[i - 1] === "Warning")).toEqual([
      '299 - "say \\"hi\\""',
      '299 - "second"',
    ]);
  });
});
