/** An evaluation that went wrong, as a value: `&&`, `||` and the loops built on them may still come to an answer. */
export class CelError {
  readonly message: string;
  constructor(message: string) {
    this.message = message;
  }
}

export const NO_SUCH_OVERLOAD = new CelError("no such overload");

export function noSuchKey(key: string): CelError {
  return new CelError(`no such key: ${key}`);
}

export function indexOutOfBounds(index: unknown): CelError {
  return new CelError(`index out of bounds: ${index}`);
}

/** `no such overload: name` when no implementation of a function takes these values. */
export function noSuchFunction(name: string): CelError {
  return new CelError(`no such overload: ${name}`);
}
