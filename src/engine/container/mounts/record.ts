// What a container's record keeps of one mount: everything that was decided when the container was made, so that `inspect`,
// every start and `cp` agree. Which volumes are in use follows from these.
import type { LayerId } from "../../../storage/layer/types.ts";

export interface MountRecord {
  readonly type: "bind" | "volume" | "tmpfs" | "image";
  /** Absolute and clean. */
  readonly destination: string;
  /** The bind's path on the host; where the volume is; the image's id. "" for a tmpfs. */
  readonly source: string;
  /** As `inspect` shows it: the words of `-v`, "z" for local volumes without any. */
  readonly mode: string;
  readonly isReadonly: boolean;
  /** "" for volumes and tmpfs, which always are private. */
  readonly propagation: string;
  /** The volume's name, or the image as the user wrote it. */
  readonly name?: string;
  readonly driver?: string;
  /** A volume that nobody named: `rm -v` and `--rm` remove it. */
  readonly isAnonymous?: true;
  /** Keep what the image has at the destination out of an empty volume. */
  readonly hasNoCopy?: true;
  /** Below the volume or the image's root; it has to exist. */
  readonly subpath?: string;
  /** `-v` makes a missing source directory, `--mount` insists that it is there. */
  readonly createsSource?: true;
  /** The propagation is our own choice and may be missed: a bind of what is above or below the data root. */
  readonly isPropagationOptional?: true;
  readonly isNonRecursive?: true;
  readonly isReadonlyNonRecursive?: true;
  /** How the files' owners are shown, see idmap.ts. */
  readonly idMap?: string;
  /** After `--tmpfs PATH:`. */
  readonly tmpfsOptions?: string;
  /** Topmost layer of the image. */
  readonly layer?: LayerId | null;
}
