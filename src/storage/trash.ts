// Removes directories without making anybody wait: a rename makes them vanish, keel removes them in the background,
// by descriptor. What a crash leaves in the trash is removed at the next start.

import { join } from "node:path";
import { messageOf } from "../lib/errors.ts";
import { randomHex } from "../lib/id.ts";
import { Lane } from "../lib/lanes.ts";
import type { Keel } from "../linux/keel.ts";
import { host } from "../linux/ops.ts";
import { type DiskIo, nodeDisk } from "./disk.ts";

export interface TrashOptions {
  readonly keel: Keel;
  /** Receives one line for what could not be removed. */
  readonly log: (message: string) => void;
  readonly disk?: DiskIo | undefined;
}

export class Trash {
  readonly #dir: string;
  readonly #keel: Keel;
  readonly #log: (message: string) => void;
  readonly #disk: DiskIo;
  readonly #lane = new Lane();
  #last: Promise<void> = Promise.resolve();

  private constructor(dir: string, { keel, log, disk = nodeDisk }: TrashOptions) {
    this.#dir = dir;
    this.#keel = keel;
    this.#log = log;
    this.#disk = disk;
  }

  /** Opens the trash in `dir`, which must be on the file system of what is thrown away, and begins to empty it. */
  static async open(dir: string, options: TrashOptions): Promise<Trash> {
    const trash = new Trash(dir, options);
    await trash.#disk.makeDir(dir);
    for (const name of await trash.#disk.list(dir)) trash.#remove(join(dir, name));
    return trash;
  }

  /** Makes `path` vanish; a missing one is fine. */
  async throwAway(path: string): Promise<void> {
    const target = join(this.#dir, randomHex());
    try {
      await this.#disk.rename(path, target);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
      throw error;
    }
    this.#remove(target);
  }

  #remove(path: string): void {
    this.#last = this.#lane
      .run(() => this.#keel.run([host.remove(path)]))
      .then(
        () => undefined,
        (error: unknown) => this.#log(`cannot remove ${path}: ${messageOf(error)}`),
      );
  }

  /** Resolves when everything thrown away so far is gone from the disk. */
  async settled(): Promise<void> {
    await this.#last;
  }
}
