// How a request's connection is made: a unix socket, TCP, TCP with TLS, or a program whose stdin and stdout lead there (ssh).
// TLS and programs are loaded when an address asks for them.

import { connect } from "node:net";
import type { Duplex } from "node:stream";
import { Fault } from "../errors.ts";

/** PEM texts and rules of a TLS client. */
export interface TlsClient {
  /** Authorities to trust; the system's when absent. */
  readonly ca?: string | undefined;
  /** The client's own certificate and its key, for a server that asks. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** Take any certificate. */
  readonly skipVerify: boolean;
}

/** A proxy for requests to a TCP address; proxy.ts finds it. */
export interface Proxy {
  readonly host: string;
  readonly port: number;
  /** The proxy itself is spoken to in TLS. */
  readonly isTls: boolean;
  /** Value of Proxy-Authorization. */
  readonly authorization?: string;
}

export type Endpoint =
  | { readonly path: string }
  | {
      readonly host: string;
      readonly port: number;
      readonly tls?: TlsClient | undefined;
      /** Stands between; not for connections that are taken over (compat: Docker's client makes those itself). */
      readonly proxy?: Proxy | undefined;
    }
  | { readonly command: readonly string[] };

/** A byte stream both ways, of which each may end alone. */
export type Connection = Duplex;

const CONNECT_TIMEOUT_MS = 10_000;

function describe(endpoint: Endpoint): string {
  if ("path" in endpoint) return endpoint.path;
  return "command" in endpoint ? endpoint.command.join(" ") : `${endpoint.host}:${endpoint.port}`;
}

/**
 * Connects. Throws Fault(unavailable, "http.connect") with detail.errno (`ENOENT`, `ECONNREFUSED`, `EACCES`, …), and
 * Fault(unavailable, "http.tls") when the two do not agree about certificates.
 */
export async function openConnection(
  endpoint: Endpoint,
  signal?: AbortSignal,
  timeoutMs = CONNECT_TIMEOUT_MS,
): Promise<Connection> {
  signal?.throwIfAborted();
  if ("command" in endpoint) {
    const { openCommand } = await import("./command-connection.ts");
    return openCommand(endpoint.command);
  }
  const isTls = "port" in endpoint && endpoint.tls !== undefined;
  const through =
    isTls && endpoint.proxy !== undefined
      ? await (await import("./proxy.ts")).openTunnel(endpoint.proxy, endpoint, signal, timeoutMs)
      : undefined;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const fail = (text: string, errno: string, cause?: unknown) =>
    reject(
      new Fault("unavailable", `cannot connect to ${describe(endpoint)}: ${text}`, {
        code: "http.connect",
        detail: { errno },
        cause,
      }),
    );
  const socket = isTls
    ? (await import("./tls-connection.ts")).connectTls(endpoint, through)
    : connect({ ...endpoint, allowHalfOpen: true });
  const onError = (error: NodeJS.ErrnoException) =>
    error instanceof Fault ? reject(error) : fail(error.message, error.code ?? "", error);
  const onAbort = () => reject(signal?.reason);
  const timer = setTimeout(() => fail("timed out", "ETIMEDOUT"), timeoutMs);
  socket.once(isTls ? "secureConnect" : "connect", resolve);
  socket.once("error", onError);
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    await promise;
    return socket;
  } catch (error) {
    socket.on("error", () => {}); // ignored: the first failure is being reported
    socket.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
    socket.removeListener("error", onError);
    signal?.removeEventListener("abort", onAbort);
  }
}
