/** What can be wrong with keys and certificates on disk, said to the operator. */

export type PKIErrorCode =
  | "PKI_UNREADABLE"
  | "PKI_MISMATCH"
  | "PKI_KEY_MISSING"
  | "PKI_EXPIRED"
  | "PKI_UNSUPPORTED_KEY"
  | "PKI_SHARED_TRUST_ROOT";

/** `code` is stable; `file` names the file to look at, where there is one. */
export class PKIError extends Error {
  readonly code: PKIErrorCode;
  readonly file: string | undefined;

  constructor(code: PKIErrorCode, message: string, file?: string, cause?: unknown) {
    super(file === undefined ? `${code}: ${message}` : `${code}: ${file}: ${message}`, { cause });
    this.name = "PKIError";
    this.code = code;
    this.file = file;
  }
}
