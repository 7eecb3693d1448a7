// A name source made of plain tables, for tests.
import type { Forwarding, NameSource } from "./ports.ts";

/** Tables by container id; what is missing counts as unknown. */
export interface FakeNames {
  addresses?: Record<string, Record<string, readonly string[]>>;
  names?: Record<string, Record<string, string>>;
  forwarding?: Record<string, Partial<Forwarding>>;
  /** To be called when a test has changed the tables of these containers. */
  changed?: (containerIds: Iterable<string>) => void;
}

/** Returns a name source over the tables, which may be changed afterwards. */
export function fakeNames(tables: FakeNames): NameSource {
  return {
    addressesOf: (id, name) => lookUp(tables.addresses?.[id], name),
    nameOf: (id, address) => lookUp(tables.names?.[id], address),
    observe: (changed) => {
      tables.changed = changed;
    },
    forwardingOf: (id) => ({ usesHost: true, servers: [], hasNdots: false, ...tables.forwarding?.[id] }),
  };
}

/** Own keys only: a container must be able to ask for "constructor". */
const lookUp = <T>(table: Record<string, T> | undefined, key: string): T | undefined =>
  table !== undefined && Object.hasOwn(table, key) ? table[key] : undefined;
