// A build as a stream of events, for whoever wants to iterate instead of being called.

import { Fault, messageOf } from "../lib/errors.ts";
import { buildImage } from "./build-image.ts";
import type { BuildEvent } from "./events.ts";
import type { BuildRequest } from "./request.ts";
import type { BuildPorts } from "./solver/ports.ts";

/**
 * Builds, yielding events as they happen; the last one is `built` or `failed`. A failure before the plan is known
 * (bad Dockerfile, no context) throws instead, so that the API can still answer with a status code. A reader
 * that stops early cancels the build and waits for its end.
 */
export async function* buildEvents(
  request: BuildRequest,
  ports: BuildPorts,
  signal: AbortSignal,
): AsyncGenerator<BuildEvent, void, void> {
  const stop = new AbortController();
  const queue: BuildEvent[] = [];
  let wake: () => void = () => undefined;
  let isPlanned = false;
  let settled: { error?: unknown } | undefined;
  const work = buildImage(request, ports, {
    signal: AbortSignal.any([signal, stop.signal]),
    onEvent: (event) => {
      isPlanned = true;
      queue.push(event);
      wake();
    },
  }).then(
    () => {
      settled = {};
      wake();
    },
    (error: unknown) => {
      settled = { error };
      wake();
    },
  );
  try {
    for (;;) {
      yield* queue.splice(0);
      if (queue.length > 0) continue;
      if (settled !== undefined) break;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    if (!("error" in settled)) return;
    if (!isPlanned) throw settled.error;
    yield { type: "failed", fault: toFault(settled.error) };
  } finally {
    stop.abort(
      new Fault("cancelled", "the reader of the build's events is gone", { code: "build.cancelled" }),
    );
    await work;
  }
}

/** Errors that are no Fault become one of kind system, message kept. */
export function toFault(error: unknown): Fault {
  return error instanceof Fault ? error : new Fault("system", messageOf(error), { cause: error });
}
