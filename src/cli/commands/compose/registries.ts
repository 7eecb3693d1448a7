// Registries as Compose reads projects from them and publishes projects there. No daemon has to run, as with Docker's.

import type { ArtifactRegistry } from "../../../compose/load/artifact.ts";
import type { ArtifactPublisher } from "../../../compose/publish/push.ts";
import { type Digest } from "../../../oci/digest.ts";
import type { Descriptor } from "../../../oci/manifest.ts";
import type { Reference } from "../../../oci/reference.ts";
import { RepositoryWriter } from "../../../registry/push.ts";
import { type FetchedManifest, RegistryRepository } from "../../../registry/repository.ts";
import { storedAuth } from "../../config/stored-auth.ts";
import type { Session } from "../../session.ts";

export class ComposeRegistries implements ArtifactRegistry, ArtifactPublisher {
  readonly #session: Session;
  readonly #insecure: readonly string[];
  readonly #signal = new AbortController().signal;

  /** `insecure` names registries that are spoken with over http, or with whatever certificate. */
  constructor(session: Session, insecure: readonly string[]) {
    this.#session = session;
    this.#insecure = insecure;
  }

  async manifest(reference: Reference): Promise<FetchedManifest> {
    const repository = await this.#reader(reference);
    return repository.manifest(reference.digest ?? reference.tag ?? "", this.#signal);
  }

  async blob(reference: Reference, descriptor: Descriptor): Promise<Uint8Array> {
    return (await this.#reader(reference)).blobBytes(descriptor, this.#signal);
  }

  async putBlob(target: Reference, digest: Digest, bytes: Uint8Array): Promise<void> {
    const writer = await this.#writer(target);
    if (!(await writer.has(digest, this.#signal))) await writer.upload(once(bytes), this.#signal);
  }

  async putManifest(target: Reference, bytes: Uint8Array, mediaType: string): Promise<Digest> {
    const name = target.digest ?? target.tag ?? "";
    return (await this.#writer(target)).putManifest(name, bytes, mediaType, this.#signal);
  }

  async copyBlob(source: Reference, target: Reference, descriptor: Descriptor): Promise<void> {
    const writer = await this.#writer(target);
    const { digest } = descriptor;
    if (await writer.has(digest, this.#signal)) return;
    const isNear = source.domain === target.domain;
    if (isNear && (await writer.mount(digest, source.path, this.#signal))) return;
    const options = { policy: { attempts: 5 }, onWait: () => {}, signal: this.#signal };
    await writer.upload((await this.#reader(source)).blob(descriptor, options), this.#signal);
  }

  async #reader({ domain, path }: Reference): Promise<RegistryRepository> {
    const auth = storedAuth(await this.#session.config(), domain);
    return new RegistryRepository(domain, path, auth, { isInsecure: this.#insecure.includes(domain) });
  }

  async #writer({ domain, path }: Reference): Promise<RepositoryWriter> {
    const auth = storedAuth(await this.#session.config(), domain);
    return new RepositoryWriter(domain, path, auth, { isInsecure: this.#insecure.includes(domain) });
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
