// What a volume driver does: the built-in `local` one and those of plugins. A driver knows names and places; labels, users and
// records are the engine's. `user` names whoever has the volume mounted, the same at unmount, also after a restart.

export const DEFAULT_DRIVER = "local";

/** A volume as its driver tells of it. */
export interface DriverVolume {
  readonly name: string;
  /** Where it is on the host, "" when it is not mounted. */
  readonly mountpoint: string;
  /** RFC 3339, undefined when the driver does not know. */
  readonly createdAt?: string;
  readonly status?: Readonly<Record<string, unknown>>;
}

export interface VolumeDriver {
  readonly name: string;
  /** "local" to this host, or "global". */
  scope(): Promise<string>;
  /** What the built-in driver wants to be recorded is returned. */
  create(name: string, options: Readonly<Record<string, string>>): Promise<{ projectId?: number } | void>;
  remove(name: string): Promise<void>;
  /** Returns undefined for an unknown volume. */
  get(name: string): Promise<DriverVolume | undefined>;
  list(): Promise<readonly DriverVolume[]>;
  /** Returns where the volume is on the host from now on. */
  mount(name: string, user: string): Promise<string>;
  unmount(name: string, user: string): Promise<void>;
}

/** The drivers of plugins. */
export interface DriverRegistry {
  /** Returns the driver; fails with notFound in Docker's words. */
  driver(name: string): Promise<VolumeDriver>;
  /** Names of those that were used or found so far. */
  names(): readonly string[];
  /** All that are there now. */
  plugins(): Promise<readonly VolumeDriver[]>;
}
