/** The metadata fields that are the server's: wiped from what clients send, filled at creation (spec: apiserver 2.3, 3.1). */
import type { Clock, Random } from "../../api/clock.ts";
import type { ObjectMeta } from "../../api/meta.ts";
import { formatTime } from "../../api/time.ts";

export function wipeSystemFields(metadata: ObjectMeta): void {
  delete metadata.creationTimestamp;
  delete metadata.uid;
  delete metadata.deletionTimestamp;
  delete metadata.deletionGracePeriodSeconds;
  delete metadata.selfLink;
}

export function fillSystemFields(metadata: ObjectMeta, clock: Clock, random: Random): void {
  metadata.creationTimestamp = formatTime(clock.now());
  metadata.uid = random.uuid();
}
