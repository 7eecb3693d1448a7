// What everything that acts on the daemon is given: the client, where to report, how much at once, and what only the
// command line can do for it.

import type { Client } from "../../api/client.ts";
import type { AuthConfig } from "../../api/contract.ts";
import type { Progress } from "../progress/progress.ts";

/** What the command line does for Compose; filled by cli/commands/compose/ports.ts. */
export interface Ports {
  /** Packs a build context. `dockerfile` is relative to the context, or its content when it lies elsewhere. */
  packContext(
    directory: string,
    dockerfile: string | { readonly content: string },
  ): {
    readonly body: AsyncIterable<Uint8Array>;
    /** The Dockerfile's path within the archive. */
    readonly dockerfile: string;
  };
  /** Builds as the command `build` does with these options, for what the build operation alone cannot do. */
  buildWithSession(context: string, options: readonly string[], write: (text: string) => void): Promise<void>;
  /** Checks a Dockerfile as the command `build --check` does. */
  checkBuild(context: string, options: readonly string[]): Promise<{ text: string; isGood: boolean }>;
  /** Credentials for the registry of an image. */
  registryAuth(image: string): AuthConfig;
  /** Credentials by registry. */
  registryConfig(): Readonly<Record<string, AuthConfig>>;
  /** Variables of the proxies that containers are to use. */
  proxies(): Readonly<Record<string, string>>;
}

export interface Work {
  readonly client: Client;
  /** API before 1.44: a container is created on one network and then connected to the others. */
  readonly isOldApi: boolean;
  readonly progress: Progress;
  readonly warn: (message: string) => void;
  readonly ports: Ports;
  /** Writes output of builds and of commands that watching runs. */
  readonly write: (text: string) => void;
  readonly limit: Limiter;
  /** Release that labels name. */
  readonly version: string;
  readonly isDryRun: boolean;
}

/** Runs at most so many tasks at a time; the others wait in their order. */
export class Limiter {
  readonly #max: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  /** `max` below 1 is no limit. */
  constructor(max: number) {
    this.#max = max < 1 ? Number.POSITIVE_INFINITY : max;
  }

  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#max) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running++;
    try {
      return await task();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }
}

/** Waits for all; then throws the first failure, so that nothing goes on behind the caller's back. */
export async function allDone<T>(tasks: readonly Promise<T>[]): Promise<T[]> {
  const results = await Promise.allSettled(tasks);
  const failed = results.find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
  return results.map((result) => (result as PromiseFulfilledResult<T>).value);
}
