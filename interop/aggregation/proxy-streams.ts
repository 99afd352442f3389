/** Cases 43 to 45 and 51 to 53: what takes long, breaks off, or stops being HTTP. */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import type { ServerResponse } from "node:http";
import type { TLSSocket } from "node:tls";
import { rawPeer } from "../faults/raw.ts";
import { eventually } from "../story.ts";
import { define } from "./case.ts";
import type { Behind, Stage } from "./stage.ts";

const pause = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

/** Sends an upgrade as the admin; what comes back is in `text`. */
async function upgrade({ target }: Stage, path: string, headers: readonly string[] = []) {
  const socket: TLSSocket = await rawPeer(target.kubeconfig).connect();
  const conversation = { socket, text: "", ended: false };
  socket.on("data", (chunk: Buffer) => {
    conversation.text += chunk.toString();
  });
  socket.once("close", () => {
    conversation.ended = true;
  });
  const lines = ["Host: main.example.com", "Connection: Upgrade", "Upgrade: websocket", ...headers];
  socket.write(`GET ${path} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
  return conversation;
}

type Conversation = Awaited<ReturnType<typeof upgrade>>;
const head = async (conversation: Conversation) => {
  await eventually(
    async () => conversation.text,
    (text) => text.includes("\r\n\r\n"),
  );
  return conversation.text.split("\r\n\r\n")[0] ?? "";
};

/** The extension server answers upgrades with these bytes, and keeps what follows. */
function answerUpgrades({ server }: Behind, bytes: string) {
  const received: { text: string; ended: boolean } = { text: "", ended: false };
  server.onUpgrade((_, socket) => {
    socket.write(bytes);
    socket.on("data", (chunk: Buffer) => {
      received.text += chunk.toString();
      if (bytes.includes(" 101 ")) socket.write(`echo ${chunk.toString()}`);
    });
    socket.once("close", () => {
      received.ended = true;
    });
  });
  return received;
}

export const STREAMS = [
  define(
    43,
    "events of a watch arrive at once, and for longer than a minute",
    async (stage) => {
      const { things, server } = await stage.behind();
      let stream: ServerResponse | undefined;
      server.on(things, (_, response) => {
        response.writeHead(200, { "content-type": "application/json" });
        response.flushHeaders();
        stream = response;
      });
      const stop = new AbortController();
      const events = stage.target.stream(`${things}?watch=true`, { signal: stop.signal });
      const first = events.next();
      await eventually(
        async () => stream,
        (one) => one !== undefined,
      );
      const begun = Date.now();
      const arrives = async (waiting: typeof first) => {
        const sent = Date.now();
        stream!.write(`${JSON.stringify({ type: "ADDED", object: { sent } })}\n`);
        equal((await waiting).value.object.sent, sent);
        return Date.now() - sent;
      };
      // What the machine does at that moment may slow one of them down, not all.
      const times = [await arrives(first), await arrives(events.next()), await arrives(events.next())];
      ok(Math.min(...times) < 300, `${times} ms`);
      await pause(62);
      await arrives(events.next());
      ok(Date.now() - begun > 62_000);
      stop.abort();
    },
    { slow: true },
  ),

  define(
    44,
    "a minute for a request, five seconds for discovery",
    async (stage) => {
      const { things, server, group } = await stage.behind();
      const took = async (path: string) => {
        const begun = Date.now();
        const answer = await stage.target.call("GET", path);
        return { answer, seconds: (Date.now() - begun) / 1000 };
      };
      server.on(things, () => {});
      const slow = took(things);
      server.on(`/apis/${group}/v1/`, () => {});
      // The probe asks for the path without the slash, and stays well.
      const discovery = await took(`/apis/${group}/v1/`);
      equal(discovery.answer.status, 503);
      match(discovery.answer.text, /^error trying to reach service: /);
      ok(discovery.seconds >= 4.9 && discovery.seconds < 9, `${discovery.seconds} s`);
      const { answer, seconds } = await slow;
      deepEqual([answer.status, answer.json.kind], [504, stage.upstream ? undefined : "Status"]);
      const message = "Timeout: request did not complete within the allotted timeout";
      deepEqual([answer.json.reason, answer.json.message], ["Timeout", message]);
      ok(seconds >= 59 && seconds < 66, `${seconds} s`);
    },
    { slow: true, differs: "the body of a 504" },
  ),

  define(45, "a client that leaves is seen to leave", async (stage) => {
    const { things, server } = await stage.behind();
    let state = "";
    server.on(things, (_, response) => {
      state = "asked";
      response.writeHead(200).write("{}\n");
      response.once("close", () => {
        state = "closed";
      });
    });
    const stop = new AbortController();
    const events = stage.target.stream(`${things}?watch=true`, { signal: stop.signal });
    await events.next();
    equal(state, "asked");
    stop.abort();
    equal(
      await eventually(
        async () => state,
        (now) => now === "closed",
        5,
      ),
      "closed",
    );
  }),

  define(51, "an upgrade carries the identity, and bytes both ways", async (stage) => {
    const behind = await stage.behind();
    const switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello ";
    answerUpgrades(behind, switching);
    const conversation = await upgrade(stage, behind.things, ["X-Remote-User: forged", "Authorization: Bearer forged"]);
    match(await head(conversation), /^HTTP\/1\.1 101 /);
    conversation.socket.write("ping");
    await eventually(
      async () => conversation.text,
      (text) => text.endsWith("hello echo ping"),
    );
    ok(conversation.text.endsWith("\r\n\r\nhello echo ping"), conversation.text);
    const seen = behind.server.asked(behind.things).at(-1)!;
    deepEqual(seen.header("x-remote-user"), ["kubernetes-admin"]);
    deepEqual(seen.header("x-remote-group"), ["system:masters", "system:authenticated"]);
    deepEqual(seen.header("x-forwarded-for"), ["127.0.0.1"]);
    deepEqual([seen.header("x-forwarded-uri"), seen.header("authorization")], [[], []]);
    deepEqual([seen.peer, seen.serverName], ["front-proxy-client", `s.${stage.namespace}.svc`]);
    conversation.socket.destroy();
  }),

  define(52, "a refused upgrade is passed on, and that is the end of the connection", async (stage) => {
    const behind = await stage.behind();
    const refusal = "HTTP/1.1 403 Forbidden\r\nX-Own: 1\r\nContent-Length: 2\r\n\r\nno";
    const received = answerUpgrades(behind, refusal);
    const conversation = await upgrade(stage, behind.things);
    match(await head(conversation), /^HTTP\/1\.1 403 /);
    conversation.socket.write("GET /apis HTTP/1.1\r\nX-Remote-User: root\r\n\r\n");
    ok(
      await eventually(
        async () => conversation.ended,
        (ended) => ended,
        15,
      ),
      "the client's connection stays open",
    );
    ok(
      await eventually(
        async () => received.ended,
        (ended) => ended,
        15,
      ),
      "the server's connection stays open",
    );
    ok(conversation.text.endsWith("no"), conversation.text);
    match(conversation.text, /x-own: 1/i);
    equal(received.text, "");
  }),

  define(53, "an upgrade answered with 200: 503", async (stage) => {
    const behind = await stage.behind();
    const received = answerUpgrades(behind, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    const conversation = await upgrade(stage, behind.things);
    match(await head(conversation), /^HTTP\/1\.1 503 /);
    await eventually(
      async () => conversation.text,
      (text) => text.includes("code 200"),
    );
    match(conversation.text, /invalid upgrade response: status code 200/);
    equal(received.text, "");
    conversation.socket.destroy();
  }),
];
