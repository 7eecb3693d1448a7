// A directory of the client's that is an OCI layout: blobs read from it and written into it over the session. What comes is
// checked against its digest, by the one who takes it or here.

import {
  CONTENT_METHODS,
  CONTENT_STORE_KEY,
  infoRequest,
  infoResponse,
  readRequest,
  readResponse,
  WRITE_ACTION,
  writeRequest,
  writeResponse,
} from "../../lib/build-protocol/content.ts";
import { Fault } from "../../lib/errors.ts";
import type { GrpcClient } from "../../lib/grpc/client.ts";
import { newId } from "../../lib/id.ts";
import { type Digest, Digester, digestOf } from "../../oci/digest.ts";

import { type Index, MAX_MANIFEST_BYTES, type Manifest, parseManifest } from "../../oci/manifest.ts";

/** A piece of a blob that is sent at once. */
const PIECE_BYTES = 1 << 20;

export interface WrittenBlob {
  readonly digest: Digest;
  readonly sizeBytes: number;
}

export class ClientContent {
  readonly #client: GrpcClient;
  readonly #metadata: Readonly<Record<string, string>>;

  /** `store` is what the client calls the directory. */
  constructor(client: GrpcClient, store: string) {
    this.#client = client;
    this.#metadata = { [CONTENT_STORE_KEY]: store };
  }

  /** Whether the directory has a blob. */
  async has(digest: Digest, signal: AbortSignal): Promise<boolean> {
    const types = { request: infoRequest, response: infoResponse };
    const how = { signal, metadata: this.#metadata };
    try {
      await this.#client.unary(CONTENT_METHODS.info, types, { digest }, how);
      return true;
    } catch (error) {
      if (error instanceof Fault && error.kind === "notFound") return false;
      throw error;
    }
  }

  /** Streams a blob as it comes; a missing one is a Fault notFound. */
  async *open(digest: Digest, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const call = this.#client.start(CONTENT_METHODS.read, { signal, metadata: this.#metadata });
    await call.messages.send(readRequest.encode({ digest }));
    call.end();
    for await (const message of call.messages) yield Uint8Array.from(readResponse.decode(message).data);
    await call.finished;
  }

  /** Returns a small blob, verified. Throws Fault dataLoss for other bytes, or more than `maxBytes`. */
  async read(digest: Digest, maxBytes: number, signal: AbortSignal): Promise<Buffer> {
    const parts: Uint8Array[] = [];
    let size = 0;
    for await (const part of this.open(digest, signal)) {
      size += part.length;
      if (size > maxBytes)
        throw new Fault("dataLoss", `blob ${digest} is larger than ${maxBytes} bytes`, {
          code: "session.content",
        });
      parts.push(part);
    }
    const bytes = Buffer.concat(parts);
    if (digestOf(bytes) !== digest)
      throw new Fault("dataLoss", `blob ${digest} of the client has other content`, {
        code: "session.content",
      });
    return bytes;
  }

  /** Returns a manifest or an index, verified. */
  async readManifest(digest: Digest, signal: AbortSignal): Promise<Manifest | Index> {
    return parseManifest(await this.read(digest, MAX_MANIFEST_BYTES, signal));
  }

  /** Writes a blob in one stream, whose digest need not be known before; the client checks it. One that is there already is shared. */
  async write(content: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<WrittenBlob> {
    const call = this.#client.start(CONTENT_METHODS.write, { signal, metadata: this.#metadata });
    const ask = async (request: Parameters<typeof writeRequest.encode>[0]): Promise<void> => {
      await call.messages.send(writeRequest.encode(request));
      const answer = await call.messages.next();
      if (answer === undefined) await call.finished;
      else writeResponse.decode(answer);
    };
    const digester = new Digester();
    try {
      await ask({ action: WRITE_ACTION.stat, ref: `berth-${newId()}` });
      for await (const chunk of content)
        for (let at = 0; at < chunk.length; at += PIECE_BYTES) {
          const data = Uint8Array.from(chunk.subarray(at, at + PIECE_BYTES));
          const offset = digester.sizeBytes;
          digester.update(data);
          await ask({ action: WRITE_ACTION.write, offset, data });
        }
    } catch (error) {
      call.cancel();
      throw error;
    }
    const { sizeBytes } = digester;
    const digest = digester.finish();
    try {
      await ask({ action: WRITE_ACTION.commit, offset: sizeBytes, total: sizeBytes, expected: digest });
      call.end();
      await call.finished;
    } catch (error) {
      if (!(error instanceof Fault) || error.kind !== "conflict") throw error;
      // ignored: the client says that it has the blob
    }
    return { digest, sizeBytes };
  }
}
