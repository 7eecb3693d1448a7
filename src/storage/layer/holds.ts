// Who needs which layer. Nothing of this is stored: on start-up the engine says it again for every image and
// container record, so counts can never be wrong after a crash. A layer is needed while it has a holder or a child.

import type { LayerId, LayerLease } from "./types.ts";

export type { LayerLease } from "./types.ts";

/** Holder of a layer that was just made without a lease; the first real holder or child replaces it. */
const FRESH = "fresh";

export class LayerHolds {
  readonly #holders = new Map<LayerId, Set<string>>();
  #leases = 0;

  /** Says that `holder`, such as `image:sha256:…` or `container:…`, needs `id` and everything below it. */
  retain(id: LayerId, holder: string): void {
    const holders = this.#holders.get(id) ?? new Set();
    holders.delete(FRESH);
    holders.add(holder);
    this.#holders.set(id, holders);
  }

  release(id: LayerId, holder: string): void {
    const holders = this.#holders.get(id);
    if (holders?.delete(holder) && holders.size === 0) this.#holders.delete(id);
  }

  /** Keeps a new layer until somebody retains it, a layer stands on it, or the daemon restarts. */
  retainFresh(id: LayerId): void {
    if (!this.#holders.has(id)) this.#holders.set(id, new Set([FRESH]));
  }

  /** Ends retainFresh: a layer stands on it. */
  releaseFresh(id: LayerId): void {
    this.release(id, FRESH);
  }

  isHeld(id: LayerId): boolean {
    return this.#holders.has(id);
  }

  holdersOf(id: LayerId): readonly string[] {
    return [...(this.#holders.get(id) ?? [])];
  }

  lease(): LayerLease {
    const holder = `lease:${++this.#leases}`;
    const held = new Set<LayerId>();
    let isOver = false;
    const release = () => {
      isOver = true;
      for (const id of held) this.release(id, holder);
      held.clear();
    };
    return {
      hold: (id) => {
        if (isOver) return; // who comes late holds nothing that nobody would release
        held.add(id);
        this.retain(id, holder);
      },
      release,
      [Symbol.dispose]: release,
    };
  }
}
