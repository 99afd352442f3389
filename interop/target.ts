/** The server the stories run against: any kubeconfig in `TENON_INTEROP_KUBECONFIG`, else a control plane started for the run. */
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { type Agent, Agent as HTTPSAgent, request as httpsRequest } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { load } from "js-yaml";
import { findClient } from "../tools/clients/find.ts";

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Buffer;
  readonly text: string;
  /** The body as JSON; throws when it is none. */
  // biome-ignore lint/suspicious/noExplicitAny: a story reads into whatever the server answered
  readonly json: any;
}

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CallOptions {
  /** Several values: a line each. */
  readonly headers?: Readonly<Record<string, string | string[]>>;
  /** Objects are sent as JSON. */
  readonly body?: unknown;
  readonly contentType?: string;
  /** Without the kubeconfig's credentials. */
  readonly anonymous?: boolean;
}

export interface Target {
  readonly kubeconfig: string;
  readonly url: string;
  readonly ca: string;
  /** The path goes out exactly as given. */
  call(method: string, path: string, options?: CallOptions): Promise<Answer>;
  /** JSON documents of a stream as they arrive, until the caller stops or the server ends it. */
  // biome-ignore lint/suspicious/noExplicitAny: as above
  stream(path: string, options?: CallOptions & { signal?: AbortSignal }): AsyncGenerator<any, void>;
  kubectl(args: readonly string[], stdin?: string): Promise<CommandResult>;
}

interface Kubeconfig {
  "current-context": string;
  contexts: { name: string; context: { cluster: string; user: string } }[];
  clusters: {
    name: string;
    cluster: { server: string; "certificate-authority-data"?: string; "certificate-authority"?: string };
  }[];
  users: {
    name: string;
    user: {
      "client-certificate-data"?: string;
      "client-certificate"?: string;
      "client-key-data"?: string;
      "client-key"?: string;
      token?: string;
    };
  }[];
}

function named<T extends { name: string }>(list: readonly T[], name: string): T {
  const found = list.find((one) => one.name === name);
  if (found === undefined) throw new Error(`the kubeconfig has no entry named ${name}`);
  return found;
}

export function openTarget(kubeconfig: string): Target {
  const config = load(readFileSync(kubeconfig, "utf8")) as Kubeconfig;
  const context = named(config.contexts, config["current-context"]).context;
  const { cluster } = named(config.clusters, context.cluster);
  const { user } = named(config.users, context.user);
  const decoded = (data: string | undefined, file: string | undefined) =>
    data !== undefined
      ? Buffer.from(data, "base64").toString()
      : file !== undefined
        ? readFileSync(file, "utf8")
        : undefined;
  const ca = decoded(cluster["certificate-authority-data"], cluster["certificate-authority"]) ?? "";
  const cert = decoded(user["client-certificate-data"], user["client-certificate"]);
  const key = decoded(user["client-key-data"], user["client-key"]);
  const identified = new HTTPSAgent({ keepAlive: true, ca, cert, key });
  const anonymous = new HTTPSAgent({ keepAlive: true, ca });
  const cache = mkdtempSync(join(tmpdir(), "tenon-interop-"));

  function send(method: string, path: string, options: CallOptions & { signal?: AbortSignal }) {
    const agent: Agent = options.anonymous ? anonymous : identified;
    const headers: Record<string, string | string[]> = { ...options.headers };
    if (user.token !== undefined && !options.anonymous) headers["authorization"] ??= `Bearer ${user.token}`;
    let body: Buffer | undefined;
    if (options.body !== undefined) {
      const raw = typeof options.body === "string" || Buffer.isBuffer(options.body);
      body = Buffer.from(raw ? (options.body as string) : JSON.stringify(options.body));
      headers["content-type"] ??= options.contentType ?? "application/json";
      headers["content-length"] = String(body.length);
    }
    const { hostname, port } = new URL(cluster.server);
    const request = httpsRequest({ agent, host: hostname, port, method, path, headers, signal: options.signal });
    request.end(body);
    return request;
  }

  return {
    kubeconfig,
    url: cluster.server,
    ca,
    call(method, path, options = {}) {
      return new Promise((resolve, reject) => {
        const request = send(method, path, options);
        request.once("error", reject);
        request.once("response", (response) => {
          const chunks: Buffer[] = [];
          response.on("data", (chunk: Buffer) => chunks.push(chunk));
          response.once("error", reject);
          response.once("end", () => {
            const bytes = Buffer.concat(chunks);
            const text = bytes.toString();
            resolve({
              status: response.statusCode ?? 0,
              headers: Object.fromEntries(
                Object.entries(response.headers).map(([name, value]) => [
                  name,
                  Array.isArray(value) ? value.join("\n") : (value ?? ""),
                ]),
              ),
              bytes,
              text,
              get json() {
                return JSON.parse(text);
              },
            });
          });
        });
      });
    },
    async *stream(path, options = {}) {
      const request = send("GET", path, options);
      const response = await new Promise<import("node:http").IncomingMessage>((resolve, reject) => {
        request.once("error", reject);
        request.once("response", resolve);
      });
      try {
        let rest = "";
        for await (const chunk of response) {
          rest += (chunk as Buffer).toString();
          for (let end = rest.indexOf("\n"); end >= 0; end = rest.indexOf("\n")) {
            const line = rest.slice(0, end);
            rest = rest.slice(end + 1);
            if (line !== "") yield JSON.parse(line);
          }
        }
        if (rest.trim() !== "") yield JSON.parse(rest);
      } finally {
        request.destroy();
      }
    },
    kubectl(args, stdin) {
      return new Promise((resolve) => {
        const child = execFile(
          findClient("kubectl"),
          ["--kubeconfig", kubeconfig, "--cache-dir", cache, ...args],
          { maxBuffer: 64 << 20, timeout: 120_000 },
          (error, stdout, stderr) => {
            const code = error === null ? 0 : typeof error.code === "number" ? error.code : 1;
            resolve({ code, stdout, stderr });
          },
        );
        child.stdin?.end(stdin ?? "");
      });
    },
  };
}

let counter = 0;

/** A name nobody else uses, on this server or in an earlier run. */
export function uniqueName(prefix: string): string {
  return `${prefix}-${process.pid.toString(36)}-${Date.now().toString(36)}-${(counter++).toString(36)}`;
}
