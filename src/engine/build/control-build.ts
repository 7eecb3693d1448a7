// A build that a client has announced to BuildKit's control service: what was asked for, who tells of its progress, and what came of it.
import type { BuildEvent } from "../../build/events.ts";
import { StatusRenderer } from "../../build/export/status-stream.ts";
import type { solveRequest } from "../../lib/build-protocol/control.ts";
import { type CacheWishes, cacheWishesOf } from "./cache/options.ts";
import type { Outcome } from "./output/outcome.ts";
import type { Output } from "./output/outputs.ts";
import { BuildProgress } from "./progress.ts";

import type { References } from "./references.ts";

export type SolveInput = ReturnType<typeof solveRequest.decode>;

/** One announced build. */
export class ControlBuild {
  readonly input: SolveInput;
  readonly outputs: readonly Output[];
  readonly progress = new BuildProgress();
  /** One for each platform that is built for. */
  readonly renderers: StatusRenderer[] = [];
  readonly abort = new AbortController();
  /** What the frontend was asked for, which clients say here or when they drive it. */
  attrs: Readonly<Record<string, string>>;
  /** What was built, by the references that the client was given. */
  readonly results = new Map<string, Outcome>();
  /** What its frontend failed with: with more than a client that returns it would say. */
  failure: unknown;
  /** Settles when the client has returned a result, undefined for none. */
  readonly returned = Promise.withResolvers<Outcome | undefined>();

  /** What its client looks into. */
  readonly references: References;

  constructor(input: SolveInput, references: References) {
    this.input = input;
    this.references = references;
    this.attrs = input.frontendAttrs;
    const { exporters, exporterType, exporterAttrs } = input;
    const wanted = exporters.length > 0 ? exporters : [{ type: exporterType, attrs: exporterAttrs }];
    this.outputs = wanted.map(({ type = "", attrs = {} }, index) => ({ type, attrs, index }));
    this.returned.promise.catch(() => undefined); // ignored: Solve awaits it
  }

  /** What is read and written as a cache. Throws Fault `build.cache-type` for what cannot be. */
  get cache(): CacheWishes {
    return cacheWishesOf(this.input.cache ?? {});
  }

  /** Returns who tells of the build for a platform. With `isOne` there is no other. */
  tell(platform: string, { isOne }: { isOne: boolean }): (event: BuildEvent) => void {
    const several = isOne ? {} : { platform };
    const renderer = new StatusRenderer({ buildId: `${this.input.ref}/${platform}`, ...several });
    this.renderers.push(renderer);
    return (event) => this.progress.push(renderer.push(event));
  }

  end(): void {
    for (const renderer of this.renderers) this.progress.push(renderer.finish());
    this.progress.end();
  }
}
