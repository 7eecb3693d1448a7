// ImageBuild: decodes the request into the builder's words, runs the builder on the daemon's ports, sends its events as the
// stream that Docker's clients print, and names the result.
import { mkdir, mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import type { Call, ProgressSink, UploadBody } from "../../api/call.ts";
import type { InputOf } from "../../api/contract.ts";
import type { buildPrune } from "../../api/operations/build.ts";
import type { BuildPrune } from "../../api/schemas/build.ts";
import type { ProgressLine } from "../../api/schemas/progress.ts";
import { buildImage } from "../../build/build-image.ts";
import type { BuildEvent } from "../../build/events.ts";
import { ClassicRenderer } from "../../build/export/classic-stream.ts";
import type { BuildPorts } from "../../build/solver/ports.ts";
import { Fault } from "../../lib/errors.ts";
import { formatNano, nowNano } from "../../lib/time.ts";
import { familiarString, parseReference, type Reference, withDefaultTag } from "../../oci/reference.ts";
import type { EventBus } from "../event/bus.ts";
import type { ClearableCache } from "./ports.ts";
import type { ImageService } from "../image/service.ts";
import { type BuildInput, requestOf } from "./request.ts";

export interface BuildServiceOptions {
  ports: Omit<BuildPorts, "makeScratch" | "now"> & { readonly cache: ClearableCache };
  images: ImageService;
  events: EventBus;
  /** Existing private directory for uploaded contexts. */
  scratchRoot: string;
}

export class BuildService {
  readonly #options: BuildServiceOptions;

  constructor(options: BuildServiceOptions) {
    this.#options = options;
  }

  /** Removes the build steps' images that nothing stands on; with `all` every result is forgotten, too. */
  async prune(input: InputOf<typeof buildPrune>): Promise<BuildPrune> {
    const keys = input.all ? await this.#options.ports.cache.clear() : [];
    const SpaceReclaimed = await this.#options.images.pruneIntermediate();
    const attributes = { reclaimed: String(SpaceReclaimed) };
    this.#options.events.publish({ type: "builder", action: "prune", actorId: "", attributes });
    return { CachesDeleted: keys.length === 0 ? null : keys, SpaceReclaimed };
  }

  async build(input: BuildInput, body: UploadBody, out: ProgressSink, call: Call): Promise<void> {
    const request = requestOf(input, body);
    const names = input.tags.filter((t) => t !== "").map(nameOf);
    const renderer = new ClassicRenderer();
    // Lines go out in order; a slow client slows the stream, not the order.
    let sent: Promise<void> = Promise.resolve();
    // What fails before the first line is an answer with a status, later it is a line of the stream.
    let hasBegun = false;
    const emit = (event: BuildEvent): void => {
      for (const line of renderer.push(event))
        if (!input.quiet || "aux" in line || "error" in line) send(line as ProgressLine);
    };
    const send = (line: ProgressLine): void => {
      hasBegun = true;
      sent = sent.then(() => out.write(line));
    };
    try {
      const { imageId } = await buildImage(request, this.#ports(), { signal: call.signal, onEvent: emit });
      if (input.quiet) send({ stream: `${imageId}\n` });
      for (const name of names) {
        await this.#options.images.addName(this.#options.images.find(imageId), name);
        emit({ type: "tagged", name: familiarString(name) });
      }
      await sent;
    } catch (error) {
      await sent;
      if (!(error instanceof Fault) || !hasBegun) throw error;
      for (const line of renderer.push({ type: "failed", fault: error }))
        await out.write(line as ProgressLine);
    }
  }

  #ports(): BuildPorts {
    return {
      ...this.#options.ports,
      now: () => formatNano(nowNano()),
      makeScratch: async () => {
        await mkdir(this.#options.scratchRoot, { recursive: true, mode: 0o700 });
        return mkdtemp(join(this.#options.scratchRoot, "build-"));
      },
    };
  }
}

function nameOf(text: string): Reference {
  try {
    const reference = parseReference(text);
    if (reference.digest !== undefined)
      throw new Fault("invalidParameter", "build tag cannot contain a digest");
    return withDefaultTag(reference);
  } catch (error) {
    throw new Fault("invalidParameter", error instanceof Error ? error.message : String(error), {
      code: "build.tag",
      cause: error,
    });
  }
}
