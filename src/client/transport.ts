/** How a client's requests travel: over TLS, or in memory to a server of the same process. */

export interface ClientRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
  readonly signal?: AbortSignal;
}

export interface ClientResponse {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  /** The body as it arrives. Breaking out of the loop cancels the request. */
  readonly body: AsyncIterable<Uint8Array>;
}

export interface ClientTransport {
  /** Rejects only when no response head arrived. */
  request(request: ClientRequest): Promise<ClientResponse>;
  close(): Promise<void>;
}
