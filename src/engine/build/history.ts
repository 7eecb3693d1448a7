// The builds that the control service has run, as `docker buildx history` wants them: what was asked for, how it ended, what it said. In memory: the
// last fifty are kept, fewer of those that said much, and none over a restart.
import {
  HISTORY_CLOCK_KEY,
  HISTORY_EVENT,
  type historyEvent,
  type historyRecord,
  type historyRequest,
  type updateHistoryRequest,
} from "../../lib/build-protocol/history.ts";
import { Fault, messageOf } from "../../lib/errors.ts";
import { codeOfError } from "../../lib/grpc/framing.ts";
import { formatNano, nowNano } from "../../lib/time.ts";
import type { ControlBuild } from "./control-build.ts";
import type { BuildProgress } from "./progress.ts";

type HistoryRecord = Partial<ReturnType<typeof historyRecord.decode>>;
type Event = Partial<ReturnType<typeof historyEvent.decode>>;

/** As many as BuildKit keeps. */
const MAX_BUILDS = 50;
/** Of those that are not shown: a client may still ask how one went. */
const MAX_INTERNAL = 16;
/** Of all of them together; a message is a line of a step's output, or less. */
const MAX_MESSAGES = 200_000;

interface Entry {
  readonly build: Pick<ControlBuild, "input" | "outputs" | "attrs">;
  readonly progress: BuildProgress;
  readonly createdAt: ReturnType<typeof now>;
  /** When it is over: how it went. */
  end?: Pick<HistoryRecord, "completedAt" | "exporterResponse" | "error">;
  isPinned: boolean;
}

export class BuildHistory {
  /** Oldest first. */
  readonly #entries = new Map<string, Entry>();
  readonly #listeners = new Set<(event: Event) => void>();
  readonly #limits: { readonly builds: number; readonly messages: number };

  constructor(limits = { builds: MAX_BUILDS, messages: MAX_MESSAGES }) {
    this.#limits = limits;
  }

  /** Notes that a build begins. One that its client calls internal is not shown, but can be asked how it went. */
  begin(build: Entry["build"] & Pick<ControlBuild, "progress">): void {
    const entry = { build, progress: build.progress, createdAt: now(), isPinned: false };
    this.#entries.delete(build.input.ref);
    this.#entries.set(build.input.ref, entry);
    this.#tell(HISTORY_EVENT.started, entry);
  }

  /** Notes how it went: what was made, or why not. */
  end(ref: string, outcome: { response: Readonly<Record<string, string>> } | { error: unknown }): void {
    const entry = this.#entries.get(ref);
    if (entry === undefined) return; // removed meanwhile
    const said =
      "error" in outcome ? { error: statusOf(outcome.error) } : { exporterResponse: outcome.response };
    entry.end = { completedAt: now(), ...said };
    this.#tell(HISTORY_EVENT.complete, entry);
    this.#trim();
  }

  /** Returns what a build has said that is over; undefined for others. */
  progressOf(ref: string): BuildProgress | undefined {
    const entry = this.#entries.get(ref);
    return entry?.end === undefined ? undefined : entry.progress;
  }

  /** Yields what is there, and then what happens, unless the client wants no more. compat: clients apply their filters themselves, too. */
  async *listen(
    request: ReturnType<typeof historyRequest.decode>,
    signal: AbortSignal,
  ): AsyncGenerator<Event, void, void> {
    const { ref, activeOnly, earlyExit, limit } = request;
    const waiting: Event[] = [];
    let wake = Promise.withResolvers<void>();
    const listener = (event: Event): void => {
      if (ref !== "" && event.record?.ref !== ref) return;
      waiting.push(event);
      wake.resolve();
    };
    const stop = (): void => wake.resolve();
    this.#listeners.add(listener);
    signal.addEventListener("abort", stop, { once: true });
    try {
      yield* this.#present(ref, activeOnly, limit);
      while (!earlyExit && !signal.aborted) {
        const event = waiting.shift();
        if (event !== undefined) yield event;
        else {
          await wake.promise;
          wake = Promise.withResolvers();
        }
      }
    } finally {
      this.#listeners.delete(listener);
      signal.removeEventListener("abort", stop);
    }
  }

  /** Active ones, then those that are over, the latest `limit` of them (0: all). */
  #present(ref: string, activeOnly: boolean, limit: number): Event[] {
    const shown = [...this.#entries.values()].filter(
      ({ build: { input } }) => !input.isInternal && (ref === "" || input.ref === ref),
    );
    const active = shown.filter(({ end }) => end === undefined);
    const over = activeOnly ? [] : shown.filter(({ end }) => end !== undefined).reverse();
    return [
      ...active.map((entry) => ({ type: HISTORY_EVENT.started, record: recordOf(entry) })),
      ...over
        .slice(0, limit > 0 ? limit : undefined)
        .map((entry) => ({ type: HISTORY_EVENT.complete, record: recordOf(entry) })),
    ];
  }

  /** Removes or pins a build. Throws Fault notFound, and conflict for the removal of one that runs. */
  update({ ref, deletes, finalizes, pinned }: ReturnType<typeof updateHistoryRequest.decode>): void {
    const entry = this.#entries.get(ref);
    if (entry === undefined)
      throw new Fault("notFound", `no build record ${JSON.stringify(ref)}`, { code: "build.no-record" });
    if (deletes && entry.end === undefined)
      throw new Fault("conflict", `build ${ref} is running`, { code: "build.running" });
    if (deletes) this.#remove(ref, entry);
    else if (!finalizes) entry.isPinned = pinned; // what is finalized is so when the build is over
  }

  #trim(): void {
    const over = [...this.#entries].filter(([, { end }]) => end !== undefined);
    this.#keep(
      over.filter(([, { build }]) => !build.input.isInternal),
      this.#limits.builds,
    );
    this.#keep(
      over.filter(([, { build }]) => build.input.isInternal),
      MAX_INTERNAL,
    );
  }

  /** Removes the oldest; the last stays, whatever it has said. */
  #keep(over: readonly (readonly [string, Entry])[], most: number): void {
    let messages = over.reduce((sum, [, { progress }]) => sum + progress.messages.length, 0);
    let count = over.length;
    for (const [ref, entry] of over) {
      if (count <= 1 || (count <= most && messages <= this.#limits.messages)) return;
      if (entry.isPinned) continue;
      this.#remove(ref, entry);
      messages -= entry.progress.messages.length;
      count--;
    }
  }

  #remove(ref: string, entry: Entry): void {
    this.#entries.delete(ref);
    this.#tell(HISTORY_EVENT.deleted, entry);
  }

  #tell(type: number, entry: Entry): void {
    if (entry.build.input.isInternal) return;
    const record = type === HISTORY_EVENT.deleted ? { ref: entry.build.input.ref } : recordOf(entry);
    for (const listener of this.#listeners) listener({ type, record });
  }
}

/** Metadata that comes before the events. */
export const historyClock = (): Record<string, string> => ({ [HISTORY_CLOCK_KEY]: formatNano(nowNano()) });

function now(): { seconds: number; nanos: number } {
  const at = nowNano();
  return { seconds: Number(at / 1_000_000_000n), nanos: Number(at % 1_000_000_000n) };
}

const statusOf = (error: unknown): HistoryRecord["error"] => ({
  code: codeOfError(error),
  message: messageOf(error),
});

function recordOf({ build, progress, createdAt, end, isPinned }: Entry): HistoryRecord {
  const { ref, frontend } = build.input;
  return {
    ref,
    frontend,
    frontendAttrs: { ...build.attrs },
    exporters: build.outputs.map(({ type, attrs }) => ({ type, attrs: { ...attrs } })),
    createdAt,
    ...end,
    pinned: isPinned,
    ...countsOf(progress),
  };
}

function countsOf(progress: BuildProgress): Partial<HistoryRecord> {
  const all = new Set<string>();
  const cached = new Set<string>();
  const completed = new Set<string>();
  let warnings = 0;
  for (const message of progress.messages) {
    warnings += message.warnings?.length ?? 0;
    for (const { digest = "", isCached, completed: at } of message.vertexes ?? []) {
      all.add(digest);
      if (isCached) cached.add(digest);
      if (at !== undefined) completed.add(digest);
    }
  }
  return {
    totalSteps: all.size,
    cachedSteps: cached.size,
    completedSteps: completed.size,
    warnings,
  };
}
