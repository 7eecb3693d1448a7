// The managed plugins that there are, by id, name, or how an id begins.
import { Fault } from "../../lib/errors.ts";
import { familiarString, parseReference, withDefaultTag } from "../../oci/reference.ts";
import type { LayerHolds } from "../../storage/layer/holds.ts";
import type { RecordStore, Table } from "../../storage/meta/types.ts";
import type { PluginRecord } from "./record.ts";

const FULL_ID = /^[a-f0-9]{64}$/;

export class PluginTable {
  readonly #store: RecordStore;
  readonly #records: Table<PluginRecord>;
  readonly #holds: LayerHolds;

  constructor(store: RecordStore, holds: LayerHolds) {
    this.#store = store;
    this.#records = store.table<PluginRecord>("plugins");
    this.#holds = holds;
    for (const record of this.#records.values()) this.#hold(record);
  }

  all(): PluginRecord[] {
    return [...this.#records.values()];
  }

  get(id: string): PluginRecord | undefined {
    return this.#records.get(id);
  }

  byName(name: string): PluginRecord | undefined {
    return this.all().find((r) => r.name === name);
  }

  /** Returns the plugin that a name or id means, undefined when there is none. Fails with invalidParameter when several may be meant. */
  search(nameOrId: string): PluginRecord | undefined {
    if (FULL_ID.test(nameOrId)) return this.#records.get(nameOrId);
    const name = nameOf(nameOrId);
    if (name === undefined) return undefined;
    const named = this.byName(name);
    if (named !== undefined) return named;
    const found = this.all().filter((r) => r.id.startsWith(nameOrId));
    if (found.length > 1)
      throw new Fault("invalidParameter", `multiple plugins found for ${JSON.stringify(nameOrId)}`, {
        code: "plugin.ambiguous",
      });
    return found[0];
  }

  /** The same; fails with notFound. */
  find(nameOrId: string): PluginRecord {
    const record = this.search(nameOrId);
    if (record !== undefined) return record;
    throw new Fault("notFound", `plugin ${JSON.stringify(nameOrId)} not found`, { code: "plugin.not-found" });
  }

  /** Fails with conflict when the name is taken. */
  checkFree(name: string): void {
    if (this.byName(name) === undefined) return;
    throw new Fault("conflict", `plugin ${name} already exists`, { code: "plugin.name-taken" });
  }

  async put(record: PluginRecord): Promise<void> {
    const before = this.#records.get(record.id);
    this.#hold(record);
    await this.#store.commit([this.#records.put(record.id, record)]);
    if (before !== undefined && before.layers.at(-1) !== record.layers.at(-1)) this.#release(before);
  }

  async remove(record: PluginRecord): Promise<void> {
    await this.#store.commit([this.#records.remove(record.id)]);
    this.#release(record);
  }

  #hold({ id, layers }: PluginRecord): void {
    const top = layers.at(-1);
    if (top !== undefined) this.#holds.retain(top, `plugin:${id}`);
  }

  #release({ id, layers }: PluginRecord): void {
    const top = layers.at(-1);
    if (top !== undefined) this.#holds.release(top, `plugin:${id}`);
  }
}

/** The full name, undefined for what is none: a name with a digest is nobody's. */
function nameOf(text: string): string | undefined {
  try {
    const reference = parseReference(text);
    return reference.digest === undefined ? familiarString(withDefaultTag(reference)) : undefined;
  } catch {
    return undefined; // ignored: what is no name may still be the beginning of an id
  }
}
