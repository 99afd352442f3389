/** A transport for tests: requests are answered by a function, bodies are fed by hand. */
import type { ClientRequest, ClientResponse, ClientTransport } from "./transport.ts";

const encoder = new TextEncoder();

export interface Answer {
  readonly status?: number;
  readonly headers?: Record<string, string>;
  /** Objects are sent as JSON. */
  readonly body?: unknown;
}

/** A body whose chunks arrive when the test says so. */
export class Feed implements AsyncIterable<Uint8Array> {
  #chunks: Uint8Array[] = [];
  #ended = false;
  #failure: unknown;
  #wake: (() => void) | undefined;
  cancelled = false;

  /** Text goes out as it is; objects as one JSON line. */
  send(value: unknown): void {
    this.#chunks.push(encoder.encode(typeof value === "string" ? value : `${JSON.stringify(value)}\n`));
    this.#wake?.();
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  fail(error: unknown): void {
    this.#failure = error;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        const chunk = this.#chunks.shift();
        if (chunk !== undefined) yield chunk;
        else if (this.#failure !== undefined) throw this.#failure;
        else if (this.#ended) return;
        else {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
      }
    } finally {
      this.cancelled = true;
    }
  }
}

export interface ScriptedTransport extends ClientTransport {
  readonly requests: ClientRequest[];
}

/** Answers every request with what `answer` says; a Feed as body is streamed. */
export function scriptedTransport(
  answer: (request: ClientRequest, index: number) => Answer | Promise<Answer>,
): ScriptedTransport {
  const requests: ClientRequest[] = [];
  return {
    requests,
    async request(request): Promise<ClientResponse> {
      requests.push(request);
      const { status = 200, headers, body } = await answer(request, requests.length - 1);
      const text = typeof body === "string";
      const type = { "content-type": text ? "text/plain; charset=utf-8" : "application/json" };
      return { status, headers: { ...type, ...headers }, body: body instanceof Feed ? body : once(body) };
    },
    close: async () => {},
  };
}

async function* once(body: unknown): AsyncGenerator<Uint8Array> {
  if (body !== undefined) yield encoder.encode(typeof body === "string" ? body : JSON.stringify(body));
}
