// The build operations of the Engine API: decodes requests into the builder's words, runs the builder, and answers in the form
// that the asking client reads: the classic stream, BuildKit's progress on the same stream, or BuildKit's own service.
import { Readable } from "node:stream";
import type { Call, Hijack, ProgressSink, UploadBody } from "../../api/call.ts";
import type { InputOf } from "../../api/contract.ts";
import type { buildCancel, buildControl, buildPrune, buildSession } from "../../api/operations/build.ts";
import type { BuildPrune } from "../../api/schemas/build.ts";
import type { ProgressLine } from "../../api/schemas/progress.ts";
import type { BuildEvent } from "../../build/events.ts";
import { ClassicRenderer } from "../../build/export/classic-stream.ts";
import { explainForBuildKit } from "../../build/export/explain.ts";
import { StatusRenderer } from "../../build/export/status-stream.ts";
import type { BuildRequest } from "../../build/request.ts";
import { statusResponse } from "../../lib/build-protocol/control.ts";
import { Fault } from "../../lib/errors.ts";
import { serveGrpc } from "../../lib/grpc/server.ts";
import { newId } from "../../lib/id.ts";
import type { LayerStore } from "../../storage/layer/store.ts";
import type { EventBus } from "../event/bus.ts";
import { Control } from "./control.ts";
import { authOf, loginOf } from "./logins.ts";
import { type BuildInput, requestForBuildKit, requestOf } from "./request.ts";
import { BuildRunner, type BuildRunnerOptions, tagOf } from "./runner.ts";
import { checkUpgrade, SessionTable } from "./sessions.ts";
import { Uploads } from "./uploads.ts";

export interface BuildServiceOptions extends BuildRunnerOptions {
  layers: LayerStore;
  events: EventBus;
}

/** Sends what events render to, in order: a slow client slows the stream, not the order. */
class LineWriter {
  readonly #out: ProgressSink;
  #sent: Promise<void> = Promise.resolve();
  /** What fails before the first line is an answer with a status, later it is a line of the stream. */
  hasBegun = false;

  constructor(out: ProgressSink) {
    this.#out = out;
  }

  send(line: ProgressLine): void {
    this.hasBegun = true;
    this.#sent = this.#sent.then(() => this.#out.write(line));
  }

  flush(): Promise<void> {
    return this.#sent;
  }
}

const imageLine = (id: string): ProgressLine => ({ id: "moby.image.id", aux: { ID: id } });

export class BuildService {
  readonly #options: BuildServiceOptions;
  readonly #runner: BuildRunner;
  readonly #sessions = new SessionTable();
  readonly #uploads = new Uploads();
  readonly #control: Control;
  /** Builds under way that can be cancelled by the id their client chose. */
  readonly #running = new Map<string, AbortController>();

  constructor(options: BuildServiceOptions) {
    this.#options = options;
    this.#runner = new BuildRunner(options);
    const { images, layers } = options;
    const { devices } = options.ports;
    this.#control = new Control({
      runner: this.#runner,
      sessions: this.#sessions,
      images,
      layers,
      devices,
      cache: {
        list: () => options.ports.cache.list(),
        prune: (wish) => this.prune({ ...wish, keepStorage: undefined }),
      },
    });
  }

  /** Removes results and cache mounts that nobody uses, and the images of the classic builder's steps that nothing stands on. */
  async prune(input: InputOf<typeof buildPrune>): Promise<BuildPrune> {
    const { images, ports, events } = this.#options;
    const reservedBytes = input.reservedSpace ?? input.keepStorage ?? 0;
    const pruned = await ports.cache.prune({
      filters: input.filters,
      isAll: input.all,
      reservedBytes,
      maxBytes: input.maxUsedSpace ?? 0,
      minFreeBytes: input.minFreeSpace ?? 0,
    });
    const isWhole = reservedBytes === 0 && Object.keys(input.filters).length === 0;
    const SpaceReclaimed = pruned.bytes + (isWhole ? await images.pruneIntermediate() : 0);
    const attributes = { reclaimed: String(SpaceReclaimed) };
    events.publish({ type: "builder", action: "prune", actorId: "", attributes });
    return { CachesDeleted: pruned.ids.length === 0 ? null : pruned.ids, SpaceReclaimed };
  }

  /** Opens a session: from now on the client is asked on this connection. */
  async session(input: InputOf<typeof buildSession>, hijack: Hijack): Promise<void> {
    const hello = {
      id: input.uuid ?? "",
      sharedKey: input.sharedKey ?? "",
      methods: input.methods,
    };
    checkUpgrade(input.upgrade);
    this.#sessions.check(hello);
    await this.#sessions.serve(hijack.accept({ isTty: false, protocol: "h2c" }), hello);
  }

  /** BuildKit's control service on a connection. */
  async control(input: InputOf<typeof buildControl>, hijack: Hijack): Promise<void> {
    checkUpgrade(input.upgrade);
    const connection = hijack.accept({ isTty: false, protocol: "h2c" });
    await serveGrpc(connection, this.#control.methods()).closed;
  }

  /** Stops a build by the id that its client gave it. */
  async cancel(input: InputOf<typeof buildCancel>): Promise<void> {
    if (input.id === undefined)
      throw new Fault("invalidParameter", "build ID not provided", { code: "build.id" });
    this.#running
      .get(input.id)
      ?.abort(new Fault("cancelled", "build cancelled", { code: "build.cancelled" }));
  }

  async build(input: BuildInput, body: UploadBody, out: ProgressSink, call: Call): Promise<void> {
    if (this.#uploads.isUpload(input.buildId)) return this.#uploads.offer(input.buildId as string, body);
    const stop = new AbortController();
    const id = input.buildId ?? newId();
    this.#running.set(id, stop);
    const signal = AbortSignal.any([call.signal, stop.signal]);
    try {
      if (input.version === "2") await this.#buildForBuildKit(input, body, out, signal);
      else await this.#buildClassic(input, body, out, signal);
    } finally {
      this.#running.delete(id);
    }
  }

  async #buildClassic(
    input: BuildInput,
    body: UploadBody,
    out: ProgressSink,
    signal: AbortSignal,
  ): Promise<void> {
    const request = { ...requestOf(input, body), ...(await this.#clientOf(input, signal)) };
    const names = input.tags.filter((t) => t !== "").map(tagOf);
    const renderer = new ClassicRenderer();
    const writer = new LineWriter(out);
    const emit = (event: BuildEvent): void => {
      for (const line of renderer.push(event))
        if (!input.quiet || "aux" in line || "error" in line) writer.send(line as ProgressLine);
    };
    try {
      const { imageId } = await this.#runner.run(request, emit, signal);
      if (input.quiet) writer.send({ stream: `${imageId}\n` });
      await this.#runner.name([imageId], names, emit);
    } catch (error) {
      if (!(error instanceof Fault) || !writer.hasBegun) {
        await writer.flush();
        throw error;
      }
      for (const line of renderer.push({ type: "failed", fault: error })) writer.send(line as ProgressLine);
    }
    await writer.flush();
  }

  /** compat: the stream of `docker build` with BuildKit before buildx: status messages in base64, the image's id at the end. */
  async #buildForBuildKit(
    input: BuildInput,
    body: UploadBody,
    out: ProgressSink,
    signal: AbortSignal,
  ): Promise<void> {
    const names = input.tags.filter((t) => t !== "").map(tagOf);
    const remote = input.remote ?? "";
    const request: BuildRequest = {
      ...requestForBuildKit(input, body),
      ...(await this.#clientOf(input, signal)),
      ...(await this.#contextFor(remote, input.buildId ?? "", signal)),
      dialect: "buildkit",
    };
    const renderer = new StatusRenderer({
      buildId: input.buildId || newId(),
      ...(input.dockerfile === undefined ? {} : { dockerfileName: input.dockerfile }),
    });
    const writer = new LineWriter(out);
    const emit = (event: BuildEvent): void => {
      for (const message of renderer.push(event))
        writer.send({
          id: "moby.buildkit.trace",
          aux: Buffer.from(statusResponse.encode(message)).toString("base64"),
        } as unknown as ProgressLine);
    };
    try {
      const { imageId } = await this.#runner.run(request, emit, signal);
      await this.#runner.name([imageId], names, emit);
      writer.send(imageLine(imageId));
      if (input.quiet) writer.send({ stream: `${imageId}\n` });
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      const message = explainForBuildKit(error);
      writer.send({ errorDetail: { message }, error: message });
    }
    await writer.flush();
  }

  /** compat: where the client says that its files are. */
  async #contextFor(remote: string, buildId: string, signal: AbortSignal): Promise<Partial<BuildRequest>> {
    if (remote === "client-session")
      return { localContext: { context: "context", dockerfile: "dockerfile" } };
    if (remote !== "upload-request") return {};
    return { context: Readable.from(await this.#uploads.take(buildId, signal)) };
  }

  /** Who is asked for secrets and credentials: the session that the request names, and its X-Registry-Config. */
  async #clientOf(input: BuildInput, signal: AbortSignal): Promise<Partial<BuildRequest>> {
    const session = input.session ? await this.#sessions.find(input.session, signal) : undefined;
    return {
      ...(session === undefined ? {} : { client: session }),
      credentials: async (domain) =>
        authOf(input.registryConfig, domain) ?? (await loginOf(session?.credentials(domain))),
    };
  }

  close(): void {
    this.#sessions.close();
  }
}
