// Ranges of ids for containers that want one of their own (`--userns auto`): from the ids that are set aside for the user `containers`,
// whom Podman takes them from, too. What is given is derived from the containers' records, so that it is right after any crash; only
// what was promised to a container in the making is remembered.
import { Fault } from "../../../lib/errors.ts";
import type { IdMap, IdRange } from "../../../linux/idmap.ts";
import type { SubIds } from "../../../linux/subid.ts";

/** The user in /etc/subuid and /etc/subgid. */
export const POOL_USER = "containers";

/** What the ranges are taken from. */
export interface IdPool {
  readonly uids: readonly SubIds[];
  readonly gids: readonly SubIds[];
}

/** A range that nobody else gets until it is released; by then it is in a record. */
export interface ReservedIds extends Disposable {
  readonly map: IdMap;
}

export class IdRanges {
  readonly #loadPool: () => IdPool;
  readonly #given: () => Iterable<IdMap>;
  readonly #promised = new Set<IdMap>();

  /** `loadPool` reads what is set aside now, `given` are the maps of all containers. */
  constructor(loadPool: () => IdPool, given: () => Iterable<IdMap>) {
    this.#loadPool = loadPool;
    this.#given = given;
  }

  /** Reserves `size` users and groups that no container has. Fails with unavailable when there are not as many left. */
  reserve(size: number): ReservedIds {
    const pool = this.#loadPool();
    const taken = [...this.#given(), ...this.#promised];
    const map: IdMap = {
      uids: [
        findFree(
          pool.uids,
          taken.flatMap((m) => m.uids),
          size,
          "subuid",
        ),
      ],
      gids: [
        findFree(
          pool.gids,
          taken.flatMap((m) => m.gids),
          size,
          "subgid",
        ),
      ],
    };
    return this.#promise(map);
  }

  /** Reserves what a container had once. Fails with conflict when it is another's meanwhile. */
  reserveAgain(map: IdMap): ReservedIds {
    for (const taken of [...this.#given(), ...this.#promised])
      if (overlap(taken.uids, map.uids) || overlap(taken.gids, map.gids))
        throw new Fault("conflict", "the ids of its user namespace are another container's meanwhile", {
          code: "container.ids-taken",
        });
    return this.#promise(map);
  }

  #promise(map: IdMap): ReservedIds {
    this.#promised.add(map);
    return { map, [Symbol.dispose]: () => void this.#promised.delete(map) };
  }
}

const overlap = (a: readonly IdRange[], b: readonly IdRange[]): boolean =>
  a.some((x) => b.some((y) => x.outside < y.outside + y.size && y.outside < x.outside + x.size));

/** The first place in the pool where `size` ids are nobody's. */
function findFree(pool: readonly SubIds[], taken: readonly IdRange[], size: number, file: string): IdRange {
  const sorted = [...taken].sort((a, b) => a.outside - b.outside);
  for (const { first, size: room } of pool) {
    let at = first;
    for (const t of sorted) {
      if (t.outside + t.size <= at) continue;
      if (t.outside >= at + size) break;
      at = t.outside + t.size;
    }
    if (at + size <= first + room) return { inside: 0, outside: at, size };
  }
  throw new Fault(
    "unavailable",
    pool.length === 0
      ? `no ids are set aside for "${POOL_USER}" in /etc/${file}: add a line such as ${POOL_USER}:2147483647:2147483648`
      : `the ids that are set aside for "${POOL_USER}" in /etc/${file} are used up: ${size} more are wanted`,
    { code: "container.no-ids" },
  );
}
