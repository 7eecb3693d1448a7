// The built-in volume driver: directories of the daemon's, some of them with a mount on top while they are used.
import { ProjectIds } from "../../storage/project-quota.ts";
import type { LocalVolumes } from "../../storage/volume/local.ts";
import { sizeOption } from "../../storage/volume/options.ts";
import type { Table } from "../../storage/meta/types.ts";
import { DEFAULT_DRIVER, type DriverVolume, type VolumeDriver } from "./driver.ts";
import type { VolumeRecord } from "./record.ts";

const FIRST_PROJECT = 0x42_000000;

export class LocalDriver implements VolumeDriver {
  readonly name = DEFAULT_DRIVER;
  readonly #volumes: LocalVolumes;
  readonly #records: Table<VolumeRecord>;
  /** Who has which volume mounted, by name. */
  readonly #users = new Map<string, Set<string>>();
  readonly #projects: ProjectIds;

  constructor(volumes: LocalVolumes, records: Table<VolumeRecord>) {
    this.#volumes = volumes;
    this.#records = records;
    this.#projects = new ProjectIds(FIRST_PROJECT, () => [...records.values()].map((r) => r.projectId));
  }

  async scope(): Promise<string> {
    return "local";
  }

  async create(name: string, options: Readonly<Record<string, string>>): Promise<{ projectId?: number }> {
    this.#volumes.check(name, options);
    const sizeBytes = sizeOption(options);
    await this.#volumes.create(name);
    if (sizeBytes === 0) return {};
    try {
      return { projectId: await this.limit(this.#volumes.path(name), sizeBytes) };
    } catch (error) {
      await this.#volumes.remove(name);
      throw error;
    }
  }

  /** Limits an empty directory; returns the project that it is in now. Fails with invalidParameter where there are no quotas. */
  async limit(path: string, sizeBytes: number): Promise<number> {
    const projectId = this.#projects.next();
    await this.#volumes.limit(path, { projectId, sizeBytes });
    return projectId;
  }

  async remove(name: string): Promise<void> {
    if (this.#optionsOf(name) !== null) await this.#volumes.unmount(name);
    await this.#volumes.remove(name);
  }

  async get(name: string): Promise<DriverVolume | undefined> {
    return this.#records.get(name)?.driver === this.name
      ? { name, mountpoint: this.#volumes.path(name) }
      : undefined;
  }

  async list(): Promise<readonly DriverVolume[]> {
    return [...this.#records.values()]
      .filter((r) => r.driver === this.name)
      .map(({ name }) => ({ name, mountpoint: this.#volumes.path(name) }));
  }

  async mount(name: string, user: string): Promise<string> {
    await this.#volumes.mount(name, this.#optionsOf(name));
    this.adopt(name, user);
    return this.#volumes.path(name);
  }

  async unmount(name: string, user: string): Promise<void> {
    const users = this.#users.get(name);
    if (users === undefined || !users.delete(user) || users.size > 0) return;
    this.#users.delete(name);
    if (this.#optionsOf(name) !== null) await this.#volumes.unmount(name);
  }

  /** Counts a user whose mount is there already: after a restart of the daemon. */
  adopt(name: string, user: string): void {
    const users = this.#users.get(name) ?? new Set();
    this.#users.set(name, users.add(user));
  }

  /** Names of the volumes that somebody has mounted. */
  get mounted(): ReadonlySet<string> {
    return new Set(this.#users.keys());
  }

  #optionsOf(name: string): VolumeRecord["options"] {
    return this.#records.get(name)?.options ?? null;
  }
}
