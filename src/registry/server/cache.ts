// A registry in front of another one: what is asked for is fetched from there once, handed on while it comes, and kept. Tags are asked
// again each time, for they move; when the other registry does not answer, what is here has to do. Nothing can be pushed.
import { Fault } from "../../lib/errors.ts";
import { type Digest, isDigest } from "../../oci/digest.ts";
import type { Descriptor } from "../../oci/manifest.ts";
import type { Ingestion } from "../../storage/content/types.ts";
import { RegistryRepository } from "../repository.ts";
import type { RegistryAuth } from "../tokens.ts";
import { serveBlob } from "./blobs.ts";
import type { Catalog } from "./catalog.ts";
import { Refusal } from "./errors.ts";
import type { Exchange } from "./exchange.ts";
import { recordOf, serveManifest } from "./manifests.ts";

/** Where a cache gets from what it has not. */
export interface Upstream {
  /** host[:port] or URL. */
  readonly address: string;
  readonly auth?: RegistryAuth;
  readonly isInsecure?: boolean;
}

/** A client waits for the answer, and tries again itself. */
const POLICY = { attempts: 3, secondMs: 100 };

export class PullThrough {
  readonly #catalog: Catalog;
  readonly #upstream: Upstream;
  /** Blobs that are coming. */
  readonly #coming = new Map<Digest, Promise<unknown>>();
  readonly #signal: AbortSignal;

  constructor(catalog: Catalog, upstream: Upstream, signal: AbortSignal) {
    this.#catalog = catalog;
    this.#upstream = upstream;
    this.#signal = signal;
  }

  #repository(name: string): RegistryRepository {
    const { address, auth, isInsecure = false } = this.#upstream;
    // Names of Docker Hub have two parts at least.
    const path = address === "docker.io" && !name.includes("/") ? `library/${name}` : name;
    return new RegistryRepository(address, path, auth, { isInsecure });
  }

  async manifest(exchange: Exchange, name: string, reference: string): Promise<void> {
    const isHere = isDigest(reference) && this.#catalog.manifest(name, reference) !== undefined;
    if (!isHere) await this.#fetchManifest(name, reference);
    await serveManifest(exchange, this.#catalog, name, reference);
  }

  async #fetchManifest(name: string, reference: string): Promise<void> {
    try {
      const { bytes, digest, parsed } = await this.#repository(name).manifest(reference, this.#signal);
      const record = recordOf(parsed, bytes.length);
      await this.#catalog.addManifest(name, digest, {
        bytes,
        record,
        tags: isDigest(reference) ? [] : [reference],
      });
    } catch (error) {
      const kept = isDigest(reference) ? undefined : this.#catalog.tag(name, reference);
      if (error instanceof Fault && error.kind === "unavailable" && kept !== undefined) return;
      throw refusalFromUpstream(error, "MANIFEST_UNKNOWN");
    }
  }

  async blob(exchange: Exchange, name: string, digest: Digest): Promise<void> {
    const { content } = this.#catalog;
    do {
      await this.#coming.get(digest)?.catch(() => {}); // ignored: then it is fetched again
      if ((await content.stat(digest)) !== undefined) {
        await this.#note(name, digest);
        return serveBlob(exchange, content, digest);
      }
      // Another request may have begun while the store was asked; from here to the fetch nothing is waited for.
    } while (this.#coming.has(digest));
    if (exchange.isHead || exchange.header("range") !== undefined) {
      await this.#fetchBlob(name, digest);
      return serveBlob(exchange, content, digest);
    }
    await this.#fetchBlob(name, digest, (size) => {
      exchange.response.writeHead(200, {
        "Content-Type": "application/octet-stream",
        ...(size === undefined ? {} : { "Content-Length": size }),
        "Docker-Content-Digest": digest,
      });
      return (chunk) => passOn(exchange, chunk);
    });
    exchange.response.end();
  }

  /** That this repository has a blob that another one brought. */
  async #note(name: string, digest: Digest): Promise<void> {
    if (this.#catalog.hasBlob(name, digest)) return;
    const owner = this.#catalog.ownerOf(digest);
    if (owner !== undefined) await this.#catalog.mountBlob(name, owner, digest);
  }

  /** Brings a blob; `begin` is called when its size is known and returns what is given every piece. */
  async #fetchBlob(
    name: string,
    digest: Digest,
    begin: (sizeBytes: number | undefined) => (chunk: Uint8Array) => Promise<void> = () => async () => {},
  ): Promise<void> {
    const work = (async () => {
      const ingestion = await this.#catalog.content.begin({
        algorithm: digest.startsWith("sha512") ? "sha512" : "sha256",
      });
      await this.#download(name, digest, ingestion, begin);
      await this.#catalog.addBlob(name, () => ingestion.finish({ digest }));
    })();
    this.#coming.set(digest, work);
    try {
      await work;
    } finally {
      this.#coming.delete(digest);
    }
  }

  async #download(
    name: string,
    digest: Digest,
    ingestion: Ingestion,
    begin: (sizeBytes: number | undefined) => (chunk: Uint8Array) => Promise<void>,
  ): Promise<void> {
    let pass: ((chunk: Uint8Array) => Promise<void>) | undefined;
    const descriptor: Descriptor = { mediaType: "", digest, sizeBytes: 0 };
    const blob = this.#repository(name).blob(descriptor, {
      policy: POLICY,
      onWait: () => {},
      onSize: (size) => (pass ??= begin(size)),
      signal: this.#signal,
    });
    async function* passing(): AsyncGenerator<Uint8Array> {
      for await (const chunk of blob) {
        pass ??= begin(undefined);
        yield chunk;
        await pass(chunk);
      }
      pass ??= begin(0);
    }
    try {
      await ingestion.append(passing());
    } catch (error) {
      await ingestion.cancel();
      throw refusalFromUpstream(error, "BLOB_UNKNOWN");
    }
  }
}

/** Gives the client a piece; one that has gone does not keep the cache from filling. */
async function passOn({ response }: Exchange, chunk: Uint8Array): Promise<void> {
  if (response.destroyed || response.writableEnded || response.write(chunk)) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      response.off("drain", done).off("close", done);
      resolve();
    };
    response.on("drain", done).on("close", done);
  });
}

function refusalFromUpstream(error: unknown, unknown: "MANIFEST_UNKNOWN" | "BLOB_UNKNOWN"): unknown {
  if (!(error instanceof Fault)) return error;
  // Who may not see it there cannot be told by this registry whether it is there.
  if (["notFound", "unauthorized", "forbidden"].includes(error.kind))
    return new Refusal(unknown, error.message);
  return error;
}
