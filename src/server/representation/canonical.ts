/** Finding one's way in canonical JSON without parsing it: the metadata, the resourceVersion slot, and equality that ignores the slot. */

const METADATA = Buffer.from('"metadata":{');
const RESOURCE_VERSION = Buffer.from('"resourceVersion":"');

export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Where the metadata object starts: at its `{`. Nothing before it but kind and apiVersion, whose quotes would be escaped. -1 when there is none. */
export function metadataStart(bytes: Uint8Array): number {
  const at = asBuffer(bytes).indexOf(METADATA);
  return at < 0 ? -1 : at + METADATA.length - 1;
}

/** The offset behind the `}` that closes the object starting at `start`. */
export function objectEnd(bytes: Uint8Array, start: number): number {
  let depth = 0;
  for (let at = start; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (byte === 0x22) {
      for (at++; at < bytes.length && bytes[at] !== 0x22; at++) if (bytes[at] === 0x5c) at++;
    } else if (byte === 0x7b || byte === 0x5b) depth++;
    else if ((byte === 0x7d || byte === 0x5d) && --depth === 0) return at + 1;
  }
  return bytes.length;
}

/** The offsets of the resourceVersion's text, without its quotes. Only string fields without nesting precede it in metadata. */
export function resourceVersionSlot(bytes: Uint8Array): { start: number; end: number } {
  const buffer = asBuffer(bytes);
  const at = buffer.indexOf(RESOURCE_VERSION, Math.max(0, metadataStart(bytes)));
  if (at < 0) return { start: -1, end: -1 };
  const start = at + RESOURCE_VERSION.length;
  return { start, end: buffer.indexOf(0x22, start) };
}

/** The same object with another resourceVersion. */
export function withResourceVersion(bytes: Uint8Array, resourceVersion: string): Buffer {
  const buffer = asBuffer(bytes);
  const { start, end } = resourceVersionSlot(buffer);
  if (start < 0) return buffer;
  return Buffer.concat([buffer.subarray(0, start), Buffer.from(resourceVersion, "latin1"), buffer.subarray(end)]);
}

/** The same object without its resourceVersion field when that is empty: what is stored nowhere has no version (spec: apiserver 2.7). */
export function withoutEmptyVersion(bytes: Uint8Array): Uint8Array {
  const buffer = asBuffer(bytes);
  const { start, end } = resourceVersionSlot(buffer);
  if (start < 0 || end > start) return bytes;
  let from = start - RESOURCE_VERSION.length;
  let to = end + 1;
  // One comma goes with it: the one behind, or for a last field the one before.
  if (buffer[to] === 0x2c) to++;
  else if (buffer[from - 1] === 0x2c) from--;
  return Buffer.concat([buffer.subarray(0, from), buffer.subarray(to)]);
}

/** Whether two encodings differ at most in their resourceVersion: how a write that changes nothing is recognised (spec: apiserver 2.9). */
export function sameButResourceVersion(a: Uint8Array, b: Uint8Array): boolean {
  const left = asBuffer(a);
  const right = asBuffer(b);
  const slotA = resourceVersionSlot(left);
  const slotB = resourceVersionSlot(right);
  if (slotA.start !== slotB.start) return false;
  if (slotA.start < 0) return left.equals(right);
  if (left.length - slotA.end !== right.length - slotB.end) return false;
  return (
    left.compare(right, 0, slotB.start, 0, slotA.start) === 0 &&
    left.compare(right, slotB.end, right.length, slotA.end, left.length) === 0
  );
}

const OPEN = new Set([0x7b, 0x5b]);
const CLOSE = new Set([0x7d, 0x5d]);

/** Compact JSON indented with two spaces, without parsing it; empty objects and lists stay on one line. */
export function indent(bytes: Uint8Array): Buffer {
  const pieces: string[] = [];
  const buffer = asBuffer(bytes);
  let depth = 0;
  let from = 0;
  const flush = (to: number) => {
    if (to > from) pieces.push(buffer.toString("utf8", from, to));
    from = to;
  };
  const newline = () => pieces.push("\n", "  ".repeat(depth));
  for (let at = 0; at < buffer.length; at++) {
    const byte = buffer[at]!;
    if (byte === 0x22) {
      for (at++; at < buffer.length && buffer[at] !== 0x22; at++) if (buffer[at] === 0x5c) at++;
    } else if (OPEN.has(byte)) {
      if (CLOSE.has(buffer[at + 1] ?? 0)) {
        at++;
        continue;
      }
      depth++;
      flush(at + 1);
      newline();
    } else if (CLOSE.has(byte)) {
      flush(at);
      depth = Math.max(0, depth - 1);
      newline();
    } else if (byte === 0x2c) {
      flush(at + 1);
      newline();
    } else if (byte === 0x3a) {
      flush(at + 1);
      pieces.push(" ");
    }
  }
  flush(buffer.length);
  return Buffer.from(pieces.join(""));
}
