// A client that finds out the API version as it goes: it speaks the newest it knows, and where a daemon answers that this is
// too new, it goes down to what the daemon names and asks again. Saves the /_ping that Docker's client sends first.

import {
  type Attached,
  type Begun,
  type CallOptions,
  type Client,
  type ClientOptions,
  createClient,
  type HijackedConnection,
  type StreamItemOf,
  type StreamResponse,
} from "../../api/client.ts";
import { type ArgumentsOf, MIN_API_VERSION, type OperationSpec, type ResultOf } from "../../api/contract.ts";
import { Fault } from "../../lib/errors.ts";
import { CLIENT_API_VERSION, compareVersions } from "./endpoint.ts";

export class NegotiatingClient implements Client {
  readonly host: string;
  readonly #options: ClientOptions;
  #inner: Client;
  #isAgreed = false;

  constructor(options: ClientOptions) {
    this.host = options.host;
    this.#options = options;
    this.#inner = createClient({ ...options, version: CLIENT_API_VERSION });
  }

  get version(): string | undefined {
    return this.#inner.version;
  }

  /** Asks for the daemon's version, unless it is known. Throws a Fault when no daemon answers. */
  async agree(): Promise<void> {
    if (this.#isAgreed) return;
    const headers = await this.#inner.ping();
    this.#settle(headers.get("api-version") || MIN_API_VERSION);
  }

  call<O extends OperationSpec>(
    operation: O,
    args: ArgumentsOf<O>,
    options?: CallOptions,
  ): Promise<ResultOf<O>> {
    return this.#attempt(options, () => this.#inner.call(operation, args, options));
  }

  text<O extends OperationSpec>(operation: O, args: ArgumentsOf<O>, options?: CallOptions): Promise<string> {
    return this.#attempt(options, () => this.#inner.text(operation, args, options));
  }

  stream<O extends OperationSpec>(
    operation: O,
    args: ArgumentsOf<O>,
    options?: CallOptions,
  ): Promise<StreamResponse<StreamItemOf<O>>> {
    return this.#attempt(options, () => this.#inner.stream(operation, args, options));
  }

  hijack<O extends OperationSpec>(
    operation: O,
    args: ArgumentsOf<O>,
    options?: CallOptions,
  ): Promise<HijackedConnection> {
    return this.#attempt(options, () => this.#inner.hijack(operation, args, options));
  }

  attach<O extends OperationSpec>(
    operation: O,
    args: ArgumentsOf<O>,
    options?: CallOptions,
  ): Promise<Attached> {
    return this.#attempt(options, () => this.#inner.attach(operation, args, options));
  }

  begun<O extends OperationSpec>(
    operation: O,
    args: ArgumentsOf<O>,
    options?: CallOptions,
  ): Promise<Begun<ResultOf<O>>> {
    return this.#attempt(options, () => this.#inner.begun(operation, args, options));
  }

  begin<O extends OperationSpec>(
    operation: O,
    args: ArgumentsOf<O>,
    options?: CallOptions,
  ): Promise<{ readonly result: Promise<ResultOf<O>> }> {
    return this.#attempt(options, () => this.#inner.begin(operation, args, options));
  }

  ping(options?: CallOptions): Promise<ReadonlyMap<string, string>> {
    return this.#inner.ping(options);
  }

  async #attempt<T>(options: CallOptions | undefined, request: () => Promise<T>): Promise<T> {
    // What is uploaded can be sent only once, so the version has to be known before.
    if (options?.upload !== undefined) await this.agree();
    try {
      const answer = await request();
      this.#isAgreed = true;
      return answer;
    } catch (error) {
      const version = this.#isAgreed ? undefined : tooNew(error);
      if (version === undefined) throw error;
      this.#settle(version);
      return request();
    }
  }

  #settle(theirs: string): void {
    this.#isAgreed = true;
    if (compareVersions(theirs, CLIENT_API_VERSION) >= 0) return;
    this.#inner = createClient({ ...this.#options, version: theirs });
  }
}

/** Returns the version a daemon named when it refused ours (moby's version middleware). */
function tooNew(error: unknown): string | undefined {
  if (!(error instanceof Fault) || error.code !== "daemon.error") return undefined;
  return /client version \S+ is too new\. Maximum supported API version is (\d+\.\d+)/.exec(
    error.message,
  )?.[1];
}
