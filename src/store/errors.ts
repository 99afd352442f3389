/** Errors of the store an operator sees: each has a code and names the file or endpoint it is about. */

export type StoreErrorCode =
  /** Another process has the store open. */
  | "STORE_LOCKED"
  /** The file is no store of ours, or a value in the store is not one we can read. */
  | "STORE_FOREIGN"
  /** The store was written in a format this version does not know. */
  | "STORE_VERSION"
  /** The file is damaged. */
  | "STORE_CORRUPT"
  /** The file cannot be opened or created. */
  | "STORE_OPEN"
  /** A write could not be made durable (disk full, I/O error); the store says nothing about it ever after. */
  | "STORE_WRITE"
  /** The store was closed, or its writer died. */
  | "STORE_CLOSED"
  /** A remote store cannot be reached, or cannot work now; nothing was written. */
  | "STORE_UNAVAILABLE"
  /** A remote store did not answer in time, or the connection broke: whether the write happened is not known. */
  | "STORE_TIMEOUT"
  /** A remote store answered, and refused. */
  | "STORE_REFUSED";

/** `message` is a sentence for the operator, ending in what to do where there is something to do. */
export class StoreError extends Error {
  readonly code: StoreErrorCode;
  /** The remote store's own words, where it said any. */
  readonly said: string;

  constructor(code: StoreErrorCode, message: string, options: ErrorOptions & { readonly said?: string } = {}) {
    super(message, options);
    this.name = "StoreError";
    this.code = code;
    this.said = options.said ?? "";
  }
}
