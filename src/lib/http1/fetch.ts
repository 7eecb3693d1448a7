// A request to a unix socket whose answer is small and read as a whole, by the runtime's own HTTP client: it is there when the program
// starts, while the streams that a Connection (request.ts) is made of cost a client more time than its request.

import { Fault, messageOf } from "../errors.ts";
import type { HeaderValue } from "./head.ts";

export interface WholeRequest {
  /** The socket's path. */
  readonly socketPath: string;
  readonly method: string;
  /** Path and query, already encoded; hasPlainPath() has to hold. */
  readonly target: string;
  readonly headers: Readonly<Record<string, HeaderValue>>;
  readonly body?: Uint8Array | string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** An answer whose body is all there. */
export interface WholeResponse {
  readonly status: number;
  readonly reason: string;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly text: string;
}

/** What Bun's fetch takes beyond the standard: https://bun.com/docs/runtime/networking/fetch. */
interface FetchOptions extends RequestInit {
  readonly unix: string;
  /** Bun gives a request up after five minutes otherwise; `wait` may take weeks. */
  readonly timeout: false;
}

const TEXT_LIMIT_BYTES = 256 * 1024 * 1024;

/** Whether a target goes over the wire as it is: a URL's segments `.` and `..` (a container may be called so) do not. */
export const hasPlainPath = (target: string): boolean => !/\/\.{1,2}(?:[/?]|$)/.test(target);

/**
 * Sends the request and returns the whole answer, whatever its status. Throws Fault(unavailable) with "http.connect" and detail.errno
 * when nobody listens, "http.closed" when no whole answer came, "http.malformed" when it is none, Fault(system, "http.too-large"), and the signal's reason when it aborts.
 */
export async function fetchWhole(request: WholeRequest): Promise<WholeResponse> {
  const { text, ...head } = await fetchHead(request);
  return { ...head, text: await text() };
}

/** An answer of which only the head is there. */
export interface HeadResponse extends Omit<WholeResponse, "text"> {
  /** Reads the rest; throws as fetchWhole. Called once. */
  text(): Promise<string>;
}

/** The same, resolving when the head of the answer is there. */
export async function fetchHead(request: WholeRequest): Promise<HeadResponse> {
  const { socketPath, method, target, headers, body, signal } = request;
  const fail = (error: unknown, isAnswered: boolean): unknown => {
    signal?.throwIfAborted();
    return error instanceof Fault ? error : failure(error, socketPath, isAnswered);
  };
  try {
    const options: FetchOptions = {
      unix: socketPath,
      method,
      headers: [...valuesOf(headers), ["Accept-Encoding", "identity"], ["Connection", "close"]],
      ...(body === undefined ? {} : { body }),
      ...(signal === undefined ? {} : { signal }),
      redirect: "manual",
      timeout: false,
    };
    const response = await fetch(`http://docker${target}`, options);
    return {
      status: response.status,
      reason: response.statusText,
      headers: new Map(response.headers),
      text: () =>
        textOf(response).catch((error: unknown) => {
          throw fail(error, true);
        }),
    };
  } catch (error) {
    throw fail(error, false);
  }
}

function valuesOf(headers: Readonly<Record<string, HeaderValue>>): [string, string][] {
  return Object.entries(headers).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map((v): [string, string] => [name, String(v)]),
  );
}

async function textOf(response: Response): Promise<string> {
  const tooLarge = new Fault("system", "response is too large", { code: "http.too-large" });
  const length = response.headers.get("content-length");
  if (length !== null) {
    if (Number(length) > TEXT_LIMIT_BYTES) throw tooLarge;
    return response.text();
  }
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > TEXT_LIMIT_BYTES) throw tooLarge;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** What the runtime calls a connection that broke off; every other errno is that of connecting, and what is none is of the answer. */
const CLOSED = new Set(["ECONNRESET", "EPIPE", "ConnectionClosed"]);

function failure(error: unknown, path: string, isAnswered: boolean): Fault {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const fault = (text: string, of: string, detail = {}): Fault =>
    new Fault("unavailable", text, { code: of, detail, cause: error });
  if (CLOSED.has(code))
    return fault(
      `connection closed before ${isAnswered ? "the response was complete" : "a response came"}`,
      "http.closed",
    );
  if (/^E[A-Z0-9]+$/.test(code))
    return fault(`cannot connect to ${path}: ${code}`, "http.connect", { errno: code });
  return fault(`malformed HTTP response: ${code || messageOf(error)}`, "http.malformed");
}
