// compat: a client with BuildKit and a context on its standard input sends the archive in a request of its own, which waits
// until the build that it belongs to takes it.
import { Fault } from "../../lib/errors.ts";
import type { UploadBody } from "../../api/call.ts";

const PREFIX = "upload-request:";

interface Upload {
  readonly body: UploadBody;
  /** Lets the upload's request end. */
  readonly done: () => void;
}

export class Uploads {
  readonly #offered = new Map<string, Upload>();
  readonly #wanted = new Map<string, (upload: Upload) => void>();

  isUpload(buildId: string | undefined): boolean {
    return buildId?.startsWith(PREFIX) === true;
  }

  /** Holds an archive until a build has read it, or its client goes. */
  offer(buildId: string, body: UploadBody): Promise<void> {
    const id = buildId.slice(PREFIX.length);
    return new Promise((resolve) => {
      const upload = { body, done: resolve };
      body.once("close", () => {
        this.#offered.delete(id);
        resolve();
      });
      const wanted = this.#wanted.get(id);
      if (wanted === undefined) this.#offered.set(id, upload);
      else wanted(upload);
    });
  }

  /** Returns the archive of a build. */
  async take(id: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    const upload = this.#offered.get(id) ?? (await this.#wait(id, signal));
    this.#offered.delete(id);
    return (async function* () {
      try {
        yield* upload.body;
      } finally {
        upload.done();
      }
    })();
  }

  #wait(id: string, signal: AbortSignal): Promise<Upload> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#wanted.delete(id);
        reject(signal.reason as Error);
      };
      if (signal.aborted)
        throw signal.reason ?? new Fault("cancelled", "build cancelled", { code: "build.cancelled" });
      signal.addEventListener("abort", onAbort, { once: true });
      this.#wanted.set(id, (upload) => {
        signal.removeEventListener("abort", onAbort);
        this.#wanted.delete(id);
        resolve(upload);
      });
    });
  }
}
