// What registries are known to have of our layers (table `pushed`, key = diff id): as which blob, in which repositories.
// It saves compressing and sending again; a registry that has lost a blob is asked first, so nothing depends on it.
import type { Digest } from "../../oci/digest.ts";
import { canonicalName, type Reference } from "../../oci/reference.ts";
import type { Change, RecordStore, Table } from "../../storage/meta/types.ts";

/** A layer in its compressed form. */
export interface KnownBlob {
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly mediaType: string;
  /** Where it is, latest first: full repository names. */
  readonly repositories: readonly string[];
}

interface PushedRecord {
  readonly version: 1;
  readonly blobs: readonly KnownBlob[];
}

const MAX_REPOSITORIES = 16;
const MAX_BLOBS = 4;

export class PushedTable {
  readonly #store: RecordStore;
  readonly #table: Table<PushedRecord>;

  constructor(store: RecordStore) {
    this.#store = store;
    this.#table = store.table<PushedRecord>("pushed");
  }

  /** Returns the forms in which a layer is known, latest first. */
  blobsOf(diffId: Digest): readonly KnownBlob[] {
    return this.#table.get(diffId)?.blobs ?? [];
  }

  /** Remembers that `repository` has a layer as `blob`. */
  async note(
    diffId: Digest,
    { digest, sizeBytes, mediaType }: Omit<KnownBlob, "repositories">,
    repository: Reference,
  ): Promise<void> {
    const blob = { digest, sizeBytes, mediaType };
    const name = canonicalName(repository);
    const known = this.blobsOf(diffId);
    const same = known.find((b) => b.digest === blob.digest);
    if (same !== undefined && same === known[0] && same.repositories[0] === name) return;
    const repositories = [name, ...(same?.repositories ?? []).filter((r) => r !== name)];
    const blobs = [
      { ...blob, repositories: repositories.slice(0, MAX_REPOSITORIES) },
      ...known.filter((b) => b !== same),
    ];
    const record: PushedRecord = { version: 1, blobs: blobs.slice(0, MAX_BLOBS) };
    await this.#store.commit([this.#table.put(diffId, record)], { durable: false });
  }

  /** Returns the change that forgets a layer. */
  forgetChange(diffId: Digest): Change {
    return this.#table.remove(diffId);
  }
}
