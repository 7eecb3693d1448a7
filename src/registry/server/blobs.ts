// Blobs: handing them out, in whole or in part, and taking them in one piece, in chunks, or from another repository.
import { randomUUID } from "node:crypto";
import { type Digest, type DigestAlgorithm, isDigest } from "../../oci/digest.ts";
import type { ContentStore, Ingestion } from "../../storage/content/types.ts";
import type { RecordStore, Table } from "../../storage/meta/types.ts";
import type { Catalog } from "./catalog.ts";
import { Refusal } from "./errors.ts";
import type { Exchange, Headers } from "./exchange.ts";

const BINARY = "application/octet-stream";
/** An upload that nobody goes on with for so long is given up. */
const ABANDONED_MS = 24 * 3600_000;

/** Returns the digest that a request names. */
export function wantedDigest(text: string): Digest {
  if (isDigest(text)) return text;
  throw new Refusal("DIGEST_INVALID", "provided digest is not one this registry knows", { detail: text });
}

/** Answers GET and HEAD of a blob that is in the content store. */
export async function serveBlob(exchange: Exchange, content: ContentStore, digest: Digest): Promise<void> {
  const info = await content.stat(digest);
  if (info === undefined) throw unknownBlob(digest);
  const range = rangeOf(exchange.header("range"), info.sizeBytes);
  const { start, end } = range ?? { start: 0, end: info.sizeBytes };
  const headers: Headers = {
    "Content-Type": BINARY,
    "Content-Length": end - start,
    "Docker-Content-Digest": digest,
    "Accept-Ranges": "bytes",
    "Cache-Control": "max-age=31536000",
    ETag: `"${digest}"`,
    ...(range === undefined ? {} : { "Content-Range": `bytes ${start}-${end - 1}/${info.sizeBytes}` }),
  };
  await exchange.stream(range === undefined ? 200 : 206, headers, content.open(digest, { start, end }));
}

export const unknownBlob = (digest: Digest): Refusal =>
  new Refusal("BLOB_UNKNOWN", "blob unknown to registry", { detail: { digest } });

/** Returns the bytes asked for, undefined for all of them (RFC 9110, 14.1.2; of several ranges none is served). */
function rangeOf(header: string | undefined, sizeBytes: number): { start: number; end: number } | undefined {
  const m = /^bytes=(\d*)-(\d*)$/.exec(header ?? "");
  if (m === null || (m[1] === "" && m[2] === "")) return undefined;
  const [first, last] = [m[1] as string, m[2] as string];
  const start = first === "" ? Math.max(0, sizeBytes - Number(last)) : Number(first);
  const end = first === "" || last === "" ? sizeBytes : Math.min(sizeBytes, Number(last) + 1);
  if (start < end) return { start, end };
  throw new Refusal("RANGE_INVALID", `invalid range ${header}`, {
    headers: { "Content-Range": `bytes */${sizeBytes}` },
  });
}

/** Of an upload under way, by its id (table `uploads`); its bytes are in the content store, under the same key. */
interface UploadRecord {
  readonly version: 1;
  readonly name: string;
  readonly algorithm: DigestAlgorithm;
}

/** An upload under way. */
interface Upload {
  readonly name: string;
  readonly ingestion: Ingestion;
  isBusy: boolean;
}

export class Uploads {
  readonly #catalog: Catalog;
  readonly #store: RecordStore;
  readonly #records: Table<UploadRecord>;
  readonly #uploads = new Map<string, Upload>();

  private constructor(catalog: Catalog, store: RecordStore) {
    this.#catalog = catalog;
    this.#store = store;
    this.#records = store.table<UploadRecord>("uploads");
  }

  /** Finds the uploads that an earlier server began. */
  static async open(catalog: Catalog, store: RecordStore): Promise<Uploads> {
    const uploads = new Uploads(catalog, store);
    for (const [id, { name, algorithm }] of uploads.#records.entries()) {
      const ingestion = await catalog.content.resume(id, { algorithm });
      if (ingestion !== undefined) uploads.#uploads.set(id, { name, ingestion, isBusy: false });
    }
    const lost = [...uploads.#records.keys()].filter((id) => !uploads.#uploads.has(id));
    if (lost.length > 0) await store.commit(lost.map((id) => uploads.#records.remove(id)));
    await catalog.content.retain(new Set(uploads.#uploads.keys()));
    return uploads;
  }

  /** Ends an upload by `end`, which takes its bytes away; a crash in between leaves a record without bytes. */
  async #end<T>(id: string, end: () => Promise<T>): Promise<T> {
    this.#uploads.delete(id);
    try {
      return await end();
    } finally {
      await this.#store.commit([this.#records.remove(id)], { durable: false });
    }
  }

  /** POST: a mount, a blob in one piece, or the beginning of an upload. */
  async begin(exchange: Exchange, name: string): Promise<void> {
    const { query } = exchange;
    const mount = query.get("mount");
    if (mount !== null && (await this.#mount(name, wantedDigest(mount), query.get("from"))))
      return created(exchange, name, mount as Digest);
    const given = mount === null ? query.get("digest") : null;
    if (given !== null) {
      const digest = wantedDigest(given);
      const ingestion = await this.#catalog.content.begin();
      try {
        await ingestion.append(exchange.body);
      } catch (error) {
        await ingestion.cancel();
        throw error;
      }
      await this.#catalog.addBlob(name, () => ingestion.finish({ digest }));
      return created(exchange, name, digest);
    }
    const algorithm = query.get("digest-algorithm") === "sha512" ? "sha512" : "sha256";
    const id = randomUUID();
    const ingestion = await this.#catalog.content.begin({ algorithm, key: id });
    // Not durable: what a crash of the machine takes with it is begun anew.
    await this.#store.commit([this.#records.put(id, { version: 1, name, algorithm })], { durable: false });
    this.#uploads.set(id, { name, ingestion, isBusy: false });
    exchange.send(202, this.#progress(name, id, 0));
  }

  /** A mount without `from` takes whatever repository has the blob: who may pull from one may pull from all. */
  async #mount(name: string, digest: Digest, from: string | null): Promise<boolean> {
    const source = from ?? this.#catalog.ownerOf(digest);
    return source !== undefined && this.#catalog.mountBlob(name, source, digest);
  }

  #progress(name: string, id: string, sizeBytes: number): Headers {
    return {
      Location: `/v2/${name}/blobs/uploads/${id}`,
      Range: `0-${Math.max(0, sizeBytes - 1)}`,
      "Docker-Upload-UUID": id,
    };
  }

  #find(name: string, id: string): Upload {
    const upload = this.#uploads.get(id);
    if (upload !== undefined && upload.name === name) return upload;
    throw new Refusal("BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry", { detail: { id } });
  }

  /** GET: how far it is. */
  status(exchange: Exchange, name: string, id: string): void {
    exchange.send(204, this.#progress(name, id, this.#find(name, id).ingestion.sizeBytes));
  }

  /** PATCH: more of it. What came before a client went away stays. */
  async append(exchange: Exchange, name: string, id: string): Promise<void> {
    const upload = this.#find(name, id);
    await this.#take(exchange, upload, name, id);
    exchange.send(202, this.#progress(name, id, upload.ingestion.sizeBytes));
  }

  /** PUT: the last of it, and its digest. */
  async finish(exchange: Exchange, name: string, id: string): Promise<void> {
    const upload = this.#find(name, id);
    const digest = wantedDigest(exchange.query.get("digest") ?? "");
    await this.#take(exchange, upload, name, id);
    await this.#end(id, () => this.#catalog.addBlob(name, () => upload.ingestion.finish({ digest })));
    created(exchange, name, digest);
  }

  async #take(exchange: Exchange, upload: Upload, name: string, id: string): Promise<void> {
    if (upload.isBusy) throw new Refusal("BLOB_UPLOAD_INVALID", "another request is sending to this upload");
    const start = /^(\d+)-\d+$/.exec(exchange.header("content-range") ?? "")?.[1];
    if (start !== undefined && Number(start) !== upload.ingestion.sizeBytes)
      throw new Refusal("RANGE_INVALID", "chunk does not follow what is there", {
        headers: this.#progress(name, id, upload.ingestion.sizeBytes) as Record<string, string>,
      });
    upload.isBusy = true;
    try {
      await upload.ingestion.append(exchange.body);
    } finally {
      upload.isBusy = false;
    }
  }

  /** DELETE: nothing of it. */
  async cancel(exchange: Exchange, name: string, id: string): Promise<void> {
    const upload = this.#find(name, id);
    if (upload.isBusy) throw new Refusal("BLOB_UPLOAD_INVALID", "another request is sending to this upload");
    await this.#end(id, () => upload.ingestion.cancel());
    exchange.send(204);
  }

  /** Gives up what nobody has gone on with since `beforeMs`, a day ago when absent. */
  async expire(beforeMs: number = Date.now() - ABANDONED_MS): Promise<void> {
    for (const [id, upload] of this.#uploads) {
      if (upload.isBusy || upload.ingestion.changedAtMs > beforeMs) continue;
      await this.#end(id, () => upload.ingestion.cancel());
    }
  }
}

function created(exchange: Exchange, name: string, digest: Digest): void {
  exchange.send(201, { Location: `/v2/${name}/blobs/${digest}`, "Docker-Content-Digest": digest });
}
