// Calls the Engine API as the contract declares it, over lib/http1. Loads no schema: responses are trusted as far as
// JSON goes. Error responses become Faults with the server's message and the kind of the status code;
// a daemon that cannot be reached is Fault(unavailable, "daemon.unreachable") with detail.host.
// Used by the CLI, Compose and tests; works against Docker Engine as well.

import type { Duplex } from "node:stream";
import { Fault } from "../lib/errors.ts";
import { type Channel, channelOf } from "../lib/http1/channel.ts";
import type { Endpoint, Proxy, TlsClient } from "../lib/http1/connect.ts";
import type { HeaderValue, ResponseHead } from "../lib/http1/head.ts";
import type { RequestOptions, Response } from "../lib/http1/request.ts";
import { KeptConnection, sendUnix, type UnixResponse } from "../lib/http1/unix.ts";
import type { ArgumentsOf, OperationSpec, ResultOf } from "./contract.ts";
import { sshCommand } from "./ssh.ts";
import { DAEMON_CONNECT, DAEMON_PERMISSION, DAEMON_UNREACHABLE, kindOf } from "./errors.ts";
import { type Args, encodeRequest } from "./request.ts";

export interface ClientOptions {
  /** `unix:///path`, `tcp://host:port`, `http://host:port` or `ssh://user@host:port/path-of-its-socket`. */
  readonly host: string;
  /** For tcp:// only. */
  readonly tls?: TlsClient | undefined;
  /** Stands between, for tcp:// only. */
  readonly proxy?: Proxy | undefined;
  /** API version to speak, `major.minor`; the server's newest when absent. */
  readonly version?: string | undefined;
  /** Added to every request. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Milliseconds to wait for a connection; 10 000 when absent. */
  readonly connectTimeoutMs?: number;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Request body of operations that take bytes; sent chunked unless it is a Uint8Array. A piece is sent before the next is asked for. */
  readonly upload?: Uint8Array | AsyncIterable<Uint8Array> | undefined;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A response that is read piece by piece: JSON lines or bytes. Breaking off the loop closes the connection. */
export interface StreamResponse<T> extends AsyncIterable<T> {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
}

/** A hijacked connection. */
export interface HijackedConnection {
  /** Raw bytes both ways; what came with the response head is read first; `end()` half-closes. */
  readonly socket: Duplex;
  /** True when the server says that it sends 8-byte frames; undefined for a tty, and for any stream of API < 1.42. */
  readonly isMultiplexed: true | undefined;
}

/** An upgraded connection without node's streams: for terminals, which are to be there quickly. */
export interface Attached {
  /** What came with the response head is read first. */
  readonly channel: Channel;
  /** As HijackedConnection has it. */
  readonly isMultiplexed: true | undefined;
}

/** What came of a call that asked for two things in one: both, with the id of what was created, or the first alone. */
export type Begun<T> = { readonly attached: Attached; readonly id: string } | { readonly value: T };

/** Element type of a streamed response: parsed lines, or bytes. */
export type StreamItemOf<O extends OperationSpec> = O["success"]["kind"] extends "lines"
  ? ResultOf<O>
  : Uint8Array;

export interface Client {
  readonly host: string;
  /** The API version in the path of every request, undefined for the server's newest. */
  readonly version: string | undefined;
  /** Makes a call that answers one value or nothing. */
  call<O extends OperationSpec>(
    operation: O,
    args: ArgumentsOf<O>,
    options?: CallOptions,
  ): Promise<ResultOf<O>>;
  /** Makes a call and returns the response's body as it came, for output that must not change a digit. */
  text<O extends OperationSpec>(operation: O, args: ArgumentsOf<O>, options?: CallOptions): Promise<string>;
  /** Makes a call that answers a stream; resolves when the response's head is there. */
  stream<O extends OperationSpec>(
    operation: O,
    args: ArgumentsOf<O>,
    options?: CallOptions,
  ): Promise<StreamResponse<StreamItemOf<O>>>;
  /** Makes a call that takes the connection over. */
  hijack<O extends OperationSpec>(
    operation: O,
    args: ArgumentsOf<O>,
    options?: CallOptions,
  ): Promise<HijackedConnection>;
  /** The same for a terminal. */
  attach<O extends OperationSpec>(
    operation: O,
    args: ArgumentsOf<O>,
    options?: CallOptions,
  ): Promise<Attached>;
  /** Makes a call of an operation that may be begun at once (SuccessSpec.upgrade): what it creates is attached, or is its value. */
  begun<O extends OperationSpec>(
    operation: O,
    args: ArgumentsOf<O>,
    options?: CallOptions,
  ): Promise<Begun<ResultOf<O>>>;
  /** Makes a call that answers one value late; resolves when the response's head says that the daemon has begun. */
  begin<O extends OperationSpec>(
    operation: O,
    args: ArgumentsOf<O>,
    options?: CallOptions,
  ): Promise<{ readonly result: Promise<ResultOf<O>> }>;
  /** The response headers of HEAD /_ping (names in lower case), such as api-version. */
  ping(options?: CallOptions): Promise<ReadonlyMap<string, string>>;
}

/** An answer whose body is all there. */
interface WholeResponse extends ResponseHead {
  readonly text: string;
}

type ClientRequest = Omit<RequestOptions, "endpoint" | "signal" | "connectTimeoutMs">;

const ERROR_BODY_LIMIT = 1024 * 1024;

/** Reads a ClientOptions.host. Throws Fault(invalidParameter, "host.invalid"). */
export function parseHost(host: string, tls?: TlsClient): Endpoint {
  const invalid = () =>
    new Fault("invalidParameter", `unable to parse docker host \`${host}\``, {
      code: "host.invalid",
      detail: { host },
    });
  const colon = host.indexOf("://");
  const [scheme, rest] = [host.slice(0, Math.max(colon, 0)), host.slice(colon + 3)];
  if (colon < 0 || rest === "") throw invalid();
  if (scheme === "unix") return { path: rest };
  if (scheme === "ssh") return { command: sshCommand(host) };
  if (scheme !== "tcp" && scheme !== "http") throw invalid();
  const address = /^(?:\[([0-9a-fA-F:.%]+)\]|([^:/[\]]*))(?::([0-9]{1,5}))?(?:\/.*)?$/.exec(rest);
  if (address === null) throw invalid();
  const port = Number(address[3] ?? 2375);
  if (port > 65535) throw invalid();
  return { host: address[1] ?? (address[2] || "127.0.0.1"), port, ...(tls === undefined ? {} : { tls }) };
}

/** Turns a failure to connect into the Fault that the CLI explains. */
function unreachable(error: unknown, host: string): unknown {
  if (!(error instanceof Fault)) return error;
  if (["http.tls", "http.command", "http.closed", "http.proxy"].includes(error.code)) {
    const hint =
      error.code === "http.closed" && /^(tcp|http):/.test(host)
        ? " (is it a TLS port? --tlsverify, --tls)"
        : "";
    return new Fault("unavailable", `error during connect: ${error.message}${hint}`, {
      code: DAEMON_CONNECT,
      detail: { host },
      cause: error,
    });
  }
  if (error.code !== "http.connect") return error;
  const errno = error.detail["errno"];
  if (errno === "EACCES" || errno === "EPERM") {
    return new Fault("forbidden", `permission denied while trying to connect to the daemon at ${host}`, {
      code: DAEMON_PERMISSION,
      detail: { host, errno },
      cause: error,
    });
  }
  return new Fault("unavailable", `cannot connect to the daemon at ${host}`, {
    code: DAEMON_UNREACHABLE,
    detail: { host, errno },
    cause: error,
  });
}

/** Turns an error response into a Fault with the server's message. */
function faultOf(response: WholeResponse): Fault {
  const text = response.text.trim();
  let message = text;
  if ((response.headers.get("content-type") ?? "").startsWith("application/json")) {
    try {
      const body = JSON.parse(text) as { message?: unknown };
      if (typeof body.message === "string") message = body.message.trim();
    } catch {
      // ignored: the text as it is says more than a complaint about its syntax
    }
  }
  if (message === "") message = `the daemon answered ${response.status} ${response.reason}`.trim();
  return new Fault(kindOf(response.status), message, {
    code: "daemon.error",
    detail: { status: response.status },
  });
}

/** Splits a stream of JSON values, one a line, and parses them. */
async function* parseLines(
  body: AsyncIterable<Uint8Array>,
  exact: readonly string[],
): AsyncGenerator<unknown, void, void> {
  const parse = exact.length === 0 ? JSON.parse : await exactParser(exact);
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of body) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line.trim() !== "") yield parseText(line, parse);
  }
  rest += decoder.decode();
  if (rest.trim() !== "") yield parseText(rest, parse);
}

async function exactParser(exact: readonly string[]): Promise<(text: string) => unknown> {
  const { parseExactJson } = await import("../lib/json/parse.ts");
  return (text) => parseExactJson(text, exact);
}

function parseText(text: string, parse: (text: string) => unknown = JSON.parse): unknown {
  try {
    return parse(text);
  } catch (cause) {
    throw new Fault("dataLoss", "the daemon sent something that is not JSON", {
      code: "daemon.bad-json",
      cause,
    });
  }
}

/** The client without its types: Client's signatures are put on in createClient, where they cost no inference. */
class HttpClient {
  readonly host: string;
  readonly version: string | undefined;
  readonly #endpoint: Endpoint;
  readonly #options: ClientOptions;
  readonly #kept = new KeptConnection();

  constructor(options: ClientOptions) {
    this.host = options.host;
    this.version = options.version;
    const endpoint = parseHost(options.host, options.tls);
    this.#endpoint = "port" in endpoint ? { ...endpoint, proxy: options.proxy } : endpoint;
    this.#options = options;
  }

  async call(operation: OperationSpec, args: Args, options: CallOptions = {}): Promise<unknown> {
    const { headers, text } = await this.#whole(this.#encode(operation, args, options), options);
    const { success } = operation;
    if (success.kind === "header")
      return parseText(Buffer.from(headers.get(success.header.toLowerCase()) ?? "", "base64").toString());
    if (success.kind === "text") return text;
    return success.kind === "json" && text !== "" ? parseText(text) : undefined;
  }

  async text(operation: OperationSpec, args: Args, options: CallOptions = {}): Promise<string> {
    return (await this.#whole(this.#encode(operation, args, options), options)).text;
  }

  async stream(
    operation: OperationSpec,
    args: Args,
    options: CallOptions = {},
  ): Promise<StreamResponse<unknown>> {
    const { success } = operation;
    const { status, headers, body } = await this.#open(this.#encode(operation, args, options), options);
    const items: AsyncIterable<unknown> =
      success.kind === "lines" ? parseLines(body, success.exact ?? []) : body;
    return { status, headers, [Symbol.asyncIterator]: () => items[Symbol.asyncIterator]() };
  }

  async hijack(operation: OperationSpec, args: Args, options: CallOptions = {}): Promise<HijackedConnection> {
    const upgrade = upgradeOf(operation);
    const request = this.#encode(operation, args, options);
    const response = await this.#open({ ...request, upgrade }, options);
    return { socket: response.hijack(), isMultiplexed: isMultiplexed(response.headers) };
  }

  async attach(operation: OperationSpec, args: Args, options: CallOptions = {}): Promise<Attached> {
    const quick = this.#quick(this.#encode(operation, args, options), options, upgradeOf(operation));
    if (quick === undefined) {
      const { socket, isMultiplexed } = await this.hijack(operation, args, options);
      return { channel: channelOf(socket), isMultiplexed };
    }
    const { channel, headers } = await quick;
    return { channel, isMultiplexed: isMultiplexed(headers) };
  }

  async begun(operation: OperationSpec, args: Args, options: CallOptions = {}): Promise<Begun<unknown>> {
    const { success } = operation;
    const upgrade = success.kind === "json" ? success.upgrade : undefined;
    const request = this.#encode(operation, args, options);
    const asked = upgrade === undefined ? request : { ...request, upgrade };
    const response = await (this.#quick(request, options, upgrade) ?? this.#open(asked, options));
    if (response.status !== 101) return { value: parseText(await response.text()) };
    const channel = "channel" in response ? response.channel : channelOf(response.hijack());
    const { headers } = response;
    return {
      attached: { channel, isMultiplexed: isMultiplexed(headers) },
      id: headers.get("exec-id") ?? headers.get("container-id") ?? "",
    };
  }

  async begin(
    operation: OperationSpec,
    args: Args,
    options: CallOptions = {},
  ): Promise<{ result: Promise<unknown> }> {
    const request = this.#encode(operation, args, options);
    const response = await (this.#quick(request, options) ?? this.#open(request, options));
    return { result: response.text().then((text) => parseText(text)) };
  }

  async ping(options: CallOptions = {}): Promise<ReadonlyMap<string, string>> {
    return (await this.#whole({ method: "HEAD", target: "/_ping" }, options)).headers;
  }

  #encode(operation: OperationSpec, args: Args, options: CallOptions): ClientRequest {
    const { target, headers, body } = encodeRequest(operation, args, this.version);
    return { method: operation.method, target, headers, body: options.upload ?? body };
  }

  #headers(request: ClientRequest, options: CallOptions): Record<string, HeaderValue> {
    return { ...this.#options.headers, ...request.headers, ...options.headers };
  }

  /** Sends a request and reads its answer to the end. */
  async #whole(request: ClientRequest, options: CallOptions): Promise<WholeResponse> {
    const response = await (this.#quick(request, options) ?? this.#open(request, options));
    return { ...response, text: await response.text() };
  }

  /** The same as #open without node's streams, which cost a command more time than its request; undefined where that cannot be. */
  #quick(
    request: ClientRequest,
    { signal, headers: more }: CallOptions,
    upgrade?: string,
  ): Promise<UnixResponse> | undefined {
    const { method, target, body } = request;
    const endpoint = this.#endpoint;
    if (!("path" in endpoint)) return undefined;
    const headers = this.#headers(request, more === undefined ? {} : { headers: more });
    const asked = upgrade === undefined ? {} : { upgrade };
    const kept = this.#kept;
    return sendUnix({
      socketPath: endpoint.path,
      method,
      target,
      headers,
      body,
      signal,
      kept,
      ...asked,
    }).then(
      async (response) => {
        const { status } = response;
        const isRefused = upgrade === undefined ? status >= 400 : ![101, 200, 201].includes(status);
        if (isRefused) throw faultOf({ ...response, text: await response.text() });
        return response;
      },
      (error: unknown) => {
        throw unreachable(error, this.host);
      },
    );
  }

  /** Sends a request and returns when the head of its answer is there. */
  async #open(request: ClientRequest, options: CallOptions): Promise<Response> {
    const { sendRequest } = await import("../lib/http1/request.ts");
    let response: Response;
    try {
      response = await sendRequest({
        ...request,
        endpoint: this.#endpoint,
        headers: this.#headers(request, options),
        signal: options.signal,
        connectTimeoutMs: this.#options.connectTimeoutMs,
      });
    } catch (error) {
      throw unreachable(error, this.host);
    }
    if (response.status < 400) return response;
    throw faultOf({ ...response, text: await response.text(ERROR_BODY_LIMIT) });
  }
}

const upgradeOf = ({ success }: OperationSpec): string =>
  (success.kind === "hijack" && success.protocol) || "tcp";

const isMultiplexed = (headers: ReadonlyMap<string, string>): true | undefined =>
  headers.get("content-type") === "application/vnd.docker.multiplexed-stream" || undefined;

/** Creates a client; nothing is connected before the first call. Throws Fault(invalidParameter, "host.invalid"). */
export function createClient(options: ClientOptions): Client {
  return new HttpClient(options) as unknown as Client;
}
