// What the store keeps of a volume (table `volumes`, key = name). Who uses it is not stored: that follows from the records of
// containers, so it is right after any crash.
import { DEFAULT_DRIVER } from "./driver.ts";

export interface VolumeRecord {
  readonly version: 1;
  readonly name: string;
  readonly driver: string;
  /** null when none were given, as `inspect` shows it. */
  readonly options: Readonly<Record<string, string>> | null;
  readonly labels: Readonly<Record<string, string>> | null;
  /** RFC 3339. */
  readonly createdAt: string;
  /** An anonymous volume whose container is not recorded yet, or no more: a crash leaves it to nobody. */
  readonly isPending?: true;
  /** The image's content is being copied into it: after a crash it has to begin again. */
  readonly isFilling?: true;
  /** Its data are being exchanged for a tree that lies beside them: after a crash that has to be ended. */
  readonly isRestoring?: true;
  /** Of the quota that the option `size` stands for. */
  readonly projectId?: number;
  /** Oldest first. */
  readonly snapshots?: readonly SnapshotRecord[];
}

/** A copy of one moment. */
export interface SnapshotRecord {
  readonly name: string;
  /** RFC 3339. */
  readonly createdAt: string;
  readonly sizeBytes: number;
  /** Being made or removed: a crash leaves nothing of it. */
  readonly isPending?: true;
}

/** The label of volumes that were made without a name. */
export const ANONYMOUS_LABEL = "com.docker.volume.anonymous";

/** Whether the volume is a plain directory of the daemon's own: not a mount, not a plugin's. */
export function isPlain(record: VolumeRecord): boolean {
  return record.driver === DEFAULT_DRIVER && record.options === null;
}

/** Whether its files are in a directory of the daemon's own, nothing being mounted there. */
export function hasDataDirectory(record: VolumeRecord): boolean {
  return record.driver === DEFAULT_DRIVER && !record.options?.["type"] && !record.options?.["device"];
}
