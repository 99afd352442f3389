/** `meta.v1.Status` as a protobuf message, written by hand because errors must not depend on generated tables. */
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import type { Status, StatusDetails } from "../../api/status.ts";

const text = (writer: BinaryWriter, field: number, value: string | undefined) =>
  writer.uint32((field << 3) | 2).string(value ?? "");
const message = (writer: BinaryWriter, field: number, value: Uint8Array) =>
  writer.uint32((field << 3) | 2).bytes(value);

function encodeDetails(details: StatusDetails): Uint8Array {
  const writer = new BinaryWriter();
  text(writer, 1, details.name);
  text(writer, 2, details.group);
  text(writer, 3, details.kind);
  for (const cause of details.causes ?? []) {
    const inner = new BinaryWriter();
    text(inner, 1, cause.reason);
    text(inner, 2, cause.message);
    text(inner, 3, cause.field);
    message(writer, 4, inner.finish());
  }
  writer.uint32(5 << 3).int32(details.retryAfterSeconds ?? 0);
  text(writer, 6, details.uid);
  return writer.finish();
}

/** Status: metadata=1, status=2, message=3, reason=4, details=5, code=6. */
export function encodeStatusMessage(status: Status): Uint8Array {
  const writer = new BinaryWriter();
  const metadata = new BinaryWriter();
  text(metadata, 1, "");
  text(metadata, 2, status.metadata.resourceVersion);
  text(metadata, 3, status.metadata.continue);
  message(writer, 1, metadata.finish());
  text(writer, 2, status.status);
  text(writer, 3, status.message);
  text(writer, 4, status.reason);
  if (status.details !== undefined) message(writer, 5, encodeDetails(status.details));
  writer.uint32(6 << 3).int32(status.code ?? 0);
  return writer.finish();
}
