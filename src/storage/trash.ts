// Removes directories without making anybody wait: a rename makes them vanish, keel removes them in the background,
// by descriptor. What a crash leaves in the trash is removed at the next start.

import { mkdir, readdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { messageOf } from "../lib/errors.ts";
import { randomHex } from "../lib/id.ts";
import { Lane } from "../lib/lanes.ts";
import type { Keel } from "../linux/keel.ts";
import { host } from "../linux/ops.ts";

export class Trash {
  readonly #dir: string;
  readonly #keel: Keel;
  readonly #log: (message: string) => void;
  readonly #lane = new Lane();
  #last: Promise<void> = Promise.resolve();

  private constructor(dir: string, keel: Keel, log: (message: string) => void) {
    this.#dir = dir;
    this.#keel = keel;
    this.#log = log;
  }

  /** Opens the trash in `dir`, which must be on the file system of what is thrown away, and begins to empty it. */
  static async open(dir: string, keel: Keel, log: (message: string) => void): Promise<Trash> {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    const trash = new Trash(dir, keel, log);
    for (const name of await readdir(dir)) trash.#remove(join(dir, name));
    return trash;
  }

  /** Makes `path` vanish; a missing one is fine. */
  async throwAway(path: string): Promise<void> {
    const target = join(this.#dir, randomHex());
    try {
      await rename(path, target);
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
