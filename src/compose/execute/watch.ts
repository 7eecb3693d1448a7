// Waiting for what happens to containers: the daemon's events say when to look again, so that nothing is polled.

import type { Client } from "../../api/client.ts";
import { containerInspect } from "../../api/operations/container.ts";
import { systemEvents } from "../../api/operations/system.ts";
import type { ContainerInspect } from "../../api/schemas/container.ts";
import { Fault } from "../../lib/errors.ts";
import { ofProject } from "../observe/observe.ts";

/** Watches a project's containers from `open` to `close`. */
export class ContainerWatch {
  readonly #client: Client;
  readonly #abort = new AbortController();
  readonly #waiting = new Set<{ readonly id: string; readonly wake: (error?: unknown) => void }>();
  #failure: unknown;

  private constructor(client: Client) {
    this.#client = client;
  }

  /** Begins to watch: nothing that happens from now on is missed. */
  static async open(client: Client, project: string): Promise<ContainerWatch> {
    const watch = new ContainerWatch(client);
    const events = await client.stream(
      systemEvents,
      { filters: { type: ["container"], ...ofProject(project) } },
      { signal: watch.#abort.signal },
    );
    void watch.#read(events);
    return watch;
  }

  async #read(events: AsyncIterable<{ readonly Actor: { readonly ID: string } }>): Promise<void> {
    try {
      for await (const { Actor } of events) this.#wake((id) => id === Actor.ID);
      this.#failure = new Fault("unavailable", "the daemon has ended its events", { code: "compose.events" });
    } catch (error) {
      this.#failure = error;
    }
    this.#wake(() => true);
  }

  #wake(isMeant: (id: string) => boolean): void {
    for (const waiting of [...this.#waiting]) if (isMeant(waiting.id)) waiting.wake();
  }

  /** Looks at the container now and whenever something happens to it, until `judge` returns a value. */
  async until<T>(
    id: string,
    judge: (container: ContainerInspect) => T | undefined,
    signal?: AbortSignal,
  ): Promise<T> {
    for (;;) {
      signal?.throwIfAborted();
      const changed = this.#next(id, signal);
      const verdict = judge(await this.#client.call(containerInspect, { id }));
      if (verdict !== undefined) {
        changed.cancel();
        return verdict;
      }
      await changed.promise;
      if (this.#failure !== undefined) throw this.#failure;
    }
  }

  #next(id: string, signal?: AbortSignal): { readonly promise: Promise<void>; readonly cancel: () => void } {
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiting = { id, wake: () => cancel() };
    const cancel = (): void => {
      this.#waiting.delete(waiting);
      signal?.removeEventListener("abort", cancel);
      resolve();
    };
    this.#waiting.add(waiting);
    signal?.addEventListener("abort", cancel);
    return { promise, cancel };
  }

  close(): void {
    this.#abort.abort();
  }
}
