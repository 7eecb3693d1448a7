// A layer in the making (DiffDraft): an empty writable directory on top of a parent, for build steps and file
// sessions. It is worthless after a crash, so it is mounted volatile: no sync(2) of a build step waits for the disk.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../../lib/errors.ts";
import type { RootSource } from "../../linux/ops.ts";
import type { CommitLayerOptions, DiffDraft, LayerId, LayerRecord, UpperDirs } from "./types.ts";

/** What a draft needs of its store. */
export interface DraftHost {
  /** The parent's files with these directories on top, mounted with further `options`. */
  rootSource(upper: UpperDirs, options: string): RootSource;
  /** Makes workDir/root a layer. */
  publish(options: CommitLayerOptions): Promise<LayerRecord>;
  /** Removes workDir and lets go of the parent. */
  end(): Promise<void>;
}

/** Returns the draft whose upper directory is `workDir`/root, which exists. */
export function openDraft(workDir: string, parent: LayerId | null, host: DraftHost): DiffDraft {
  const upper = join(workDir, "root");
  let mounts = 0;
  let isOver = false;
  const discard = async () => {
    if (isOver) return;
    isOver = true;
    await host.end();
  };
  return {
    parent,
    upper,
    root: () => {
      // overlayfs refuses a work directory that a volatile mount used before: each mount gets its own.
      const work = join(workDir, `work${mounts++}`);
      mkdirSync(work, { mode: 0o700 });
      return host.rootSource({ upper, work }, "volatile");
    },
    commit: async (options = {}) => {
      if (isOver) throw new Fault("conflict", "the draft is used up", { code: "layer.draft-over" });
      try {
        return await host.publish(options);
      } finally {
        await discard();
      }
    },
    discard,
    [Symbol.asyncDispose]: discard,
  };
}
