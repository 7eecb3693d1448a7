// One repository in one registry, as a pusher sees it: blobs that are there, taken over from a neighbour, or sent; then the
// manifest that makes them an image. Source: OCI distribution specification 1.1, "Push".
import { Fault } from "../lib/errors.ts";
import { type Digest, Digester, digestOf } from "../oci/digest.ts";
import { ACCEPT_MANIFESTS } from "./repository.ts";
import type { RegistryAuth } from "./tokens.ts";
import { type RegistryOptions, RegistryTransport, scopeOf } from "./transport.ts";

/** What a registry has under a digest. */
export interface PushedBlob {
  readonly digest: Digest;
  readonly sizeBytes: number;
}

export class RepositoryWriter {
  readonly #transport: RegistryTransport;
  readonly #path: string;
  readonly #options: RegistryOptions;

  /** As RegistryRepository's. */
  constructor(address: string, path: string, auth?: RegistryAuth, options: RegistryOptions = {}) {
    this.#transport = new RegistryTransport(address, auth, options);
    this.#path = path;
    this.#options = options;
  }

  get #scope(): string {
    return scopeOf(this.#path, "pull,push", this.#options);
  }

  /** Whether the repository has a blob. Fails with unauthorized, forbidden, unavailable. */
  async has(digest: Digest, signal: AbortSignal): Promise<boolean> {
    const init = { method: "HEAD", signal };
    const response = await this.#transport.send(
      `${this.#path}/blobs/${digest}`,
      this.#scope,
      init,
      [200, 404],
    );
    await response.body?.cancel();
    return response.status === 200;
  }

  /** Whether the repository has a manifest. Fails as has. */
  async hasManifest(digest: Digest, signal: AbortSignal): Promise<boolean> {
    const init = { method: "HEAD", headers: { Accept: ACCEPT_MANIFESTS }, signal };
    const path = `${this.#path}/manifests/${digest}`;
    const response = await this.#transport.send(path, this.#scope, init, [200, 404]);
    await response.body?.cancel();
    return response.status === 200;
  }

  /** Takes a blob over from the repository `from` of the same registry; false when the registry does not do that. */
  async mount(digest: Digest, from: string, signal: AbortSignal): Promise<boolean> {
    const query = new URLSearchParams({ mount: digest, from });
    const init = { method: "POST", signal };
    const scope = `${this.#scope} repository:${from}:pull`;
    const response = await this.#transport.send(
      `${this.#path}/blobs/uploads/?${query}`,
      scope,
      init,
      [201, 202],
    );
    await response.body?.cancel();
    if (response.status === 201) return true;
    await this.#cancel(locationOf(response));
    return false;
  }

  /** Gives up an upload that was offered instead of a mount. */
  async #cancel(upload: URL): Promise<void> {
    const init = { method: "DELETE" };
    await this.#transport.send(upload, this.#scope, init, [200, 202, 204]).catch(() => {}); // ignored: it expires by itself
  }

  /**
   * Sends `content` in one stream and returns its digest and length, which need not be known before. Fails with
   * dataLoss when the registry has something else in the end, and with what `content` fails with.
   */
  async upload(content: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<PushedBlob> {
    const post = { method: "POST", signal };
    const begun = await this.#transport.send(`${this.#path}/blobs/uploads/`, this.#scope, post, [202]);
    await begun.body?.cancel();
    const counted = new Counted(content);
    const sent = await this.#transport
      .send(
        locationOf(begun),
        this.#scope,
        {
          method: "PATCH",
          headers: { "Content-Type": "application/octet-stream" },
          body: ReadableStream.from(counted),
          duplex: "half",
          signal,
        } as RequestInit,
        [202, 204],
      )
      .catch((error: unknown) => {
        throw counted.failure ?? error;
      });
    await sent.body?.cancel();
    const blob = counted.blob();
    const finish = locationOf(sent);
    finish.searchParams.set("digest", blob.digest);
    const done = await this.#transport.send(finish, this.#scope, { method: "PUT", signal }, [201, 204]);
    await done.body?.cancel();
    const stored = done.headers.get("docker-content-digest");
    if (stored !== null && stored !== blob.digest)
      throw new Fault("dataLoss", `the registry stored ${stored} for the blob ${blob.digest}`, {
        code: "registry.digest",
      });
    return blob;
  }

  /** Stores a manifest under `reference` (tag or digest) and returns its digest. */
  async putManifest(
    reference: string,
    bytes: Uint8Array,
    mediaType: string,
    signal: AbortSignal,
  ): Promise<Digest> {
    const init = { method: "PUT", headers: { "Content-Type": mediaType }, body: bytes, signal };
    const response = await this.#transport.send(
      `${this.#path}/manifests/${reference}`,
      this.#scope,
      init,
      [201],
    );
    await response.body?.cancel();
    return digestOf(bytes);
  }
}

/** Where the registry wants the rest; relative to the request, as RFC 9110 allows. */
function locationOf(response: Response): URL {
  const location = response.headers.get("location");
  if (location === null)
    throw new Fault("system", `registry sent no location for an upload to ${response.url}`, {
      code: "registry.protocol",
    });
  return new URL(location, response.url);
}

/** Passes a stream on while it is measured; keeps what it failed with, which fetch would wrap. */
class Counted implements AsyncIterable<Uint8Array> {
  readonly #content: AsyncIterable<Uint8Array>;
  readonly #digester = new Digester();
  failure: unknown;

  constructor(content: AsyncIterable<Uint8Array>) {
    this.#content = content;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of this.#content) {
        this.#digester.update(chunk);
        yield chunk;
      }
    } catch (error) {
      this.failure = error;
      throw error;
    }
  }

  blob(): PushedBlob {
    return { digest: this.#digester.finish(), sizeBytes: this.#digester.sizeBytes };
  }
}
