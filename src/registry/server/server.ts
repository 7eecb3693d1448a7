// The registry's HTTP server: who may come in, and which handler answers (OCI distribution specification 1.1, "API").
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type Server as HttpServer,
  type ServerResponse,
} from "node:http";
import { type AddressInfo, createServer, type Server as NetServer, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { Fault, messageOf } from "../../lib/errors.ts";
import { holdBackBody } from "../../lib/http1/hold-back.ts";
import { serveBlob, unknownBlob, type Uploads, wantedDigest } from "./blobs.ts";
import type { PullThrough } from "./cache.ts";
import type { Catalog } from "./catalog.ts";
import { Refusal, refusalOf } from "./errors.ts";
import { Exchange } from "./exchange.ts";
import type { Htpasswd } from "./htpasswd.ts";
import { listReferrers, listRepositories, listTags } from "./listings.ts";
import { deleteManifest, isReference, serveManifest, takeManifest } from "./manifests.ts";

export interface RegistryServerOptions {
  readonly catalog: Catalog;
  readonly uploads: Uploads;
  /** Absent: everybody may do everything. */
  readonly htpasswd?: Htpasswd | undefined;
  readonly realm: string;
  /** Makes it a cache of another registry. */
  readonly cache?: PullThrough | undefined;
  readonly isReadOnly: boolean;
  /** PEM texts. */
  readonly tls?:
    | { readonly cert: string; readonly key: string; readonly clientCa?: string | undefined }
    | undefined;
  /** Takes a line for each request, and what went wrong. */
  readonly log: (line: string) => void;
}

const COMPONENT = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*";
const NAME = new RegExp(`^${COMPONENT}(?:/${COMPONENT})*$`);
const MAX_NAME = 255;
const ROUTES = [
  { kind: "upload", pattern: /^\/v2\/(.+)\/blobs\/uploads\/([^/]+)$/ },
  { kind: "uploads", pattern: /^\/v2\/(.+)\/blobs\/uploads\/?$/ },
  { kind: "blob", pattern: /^\/v2\/(.+)\/blobs\/([^/]+)$/ },
  { kind: "manifest", pattern: /^\/v2\/(.+)\/manifests\/([^/]+)$/ },
  { kind: "tags", pattern: /^\/v2\/(.+)\/tags\/list$/ },
  { kind: "referrers", pattern: /^\/v2\/(.+)\/referrers\/([^/]+)$/ },
] as const;

type Kind = (typeof ROUTES)[number]["kind"];
type Handler = (exchange: Exchange, name: string, what: string) => Promise<void> | void;

export class RegistryServer {
  readonly #options: RegistryServerOptions;
  readonly #http: HttpServer;
  readonly #front: NetServer;
  readonly #sockets = new Set<Socket>();
  readonly #handlers: Readonly<Record<Kind, Readonly<Record<string, Handler>>>>;

  constructor(options: RegistryServerOptions) {
    this.#options = options;
    this.#handlers = handlersOf(options);
    // bun: as the daemon's server: sockets of our own, so that a slow disk slows an upload down.
    this.#http = createHttpServer({ requestTimeout: 0, keepAliveTimeout: 0 });
    this.#http.on("request", (request, response) => void this.#onRequest(request, response));
    const { tls } = options;
    this.#front =
      tls === undefined
        ? createServer({ noDelay: true }, (socket) => this.#onConnection(socket))
        : createTlsServer(
            {
              cert: tls.cert,
              key: tls.key,
              minVersion: "TLSv1.2",
              ALPNProtocols: ["http/1.1"],
              ...(tls.clientCa === undefined
                ? {}
                : { ca: tls.clientCa, requestCert: true, rejectUnauthorized: true }),
            },
            (socket) => this.#onConnection(socket),
          );
    this.#front.on("tlsClientError", (error: Error) => options.log(`TLS handshake: ${error.message}`));
  }

  /** Starts to accept; returns the address in force, a chosen port included. Fails with system. */
  async listen(host: string, port: number): Promise<string> {
    await new Promise<void>((resolve, reject) => {
      this.#front.once("error", (cause) =>
        reject(
          new Fault("system", `cannot listen on ${host}:${port}: ${messageOf(cause)}`, {
            code: "listen.failed",
            cause,
          }),
        ),
      );
      this.#front.listen({ host, port }, resolve);
    });
    const bound = this.#front.address() as AddressInfo;
    return `${host.includes(":") ? `[${host}]` : host}:${bound.port}`;
  }

  /** Stops accepting and ends every connection. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#front.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #onConnection(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    socket.on("error", () => {}); // ignored: `close` follows, and that is what counts
    this.#http.emit("connection", socket);
  }

  async #onRequest(request: IncomingMessage, response: ServerResponse): Promise<void> {
    holdBackBody(request);
    const exchange = new Exchange(request, response);
    const began = performance.now();
    const peer = request.socket.remoteAddress ?? "-";
    response.setHeader("Docker-Distribution-Api-Version", "registry/2.0");
    response.setHeader("X-Content-Type-Options", "nosniff");
    try {
      await this.#admit(exchange);
      await this.#route(exchange);
    } catch (error) {
      this.#refuse(exchange, error);
    }
    request.resume(); // what nobody wanted of the body must not hold up the next request
    const ms = Math.round(performance.now() - began);
    this.#options.log(`${peer} "${exchange.method} ${request.url}" ${response.statusCode} ${ms}ms`);
  }

  async #admit(exchange: Exchange): Promise<void> {
    const { htpasswd, realm } = this.#options;
    if (htpasswd === undefined || (await htpasswd.admits(exchange.header("authorization")))) return;
    throw new Refusal("UNAUTHORIZED", "authentication required", {
      headers: { "WWW-Authenticate": `Basic realm="${realm}"` },
    });
  }

  async #route(exchange: Exchange): Promise<void> {
    const { path, method } = exchange;
    const isReading = method === "GET" || method === "HEAD";
    if (path === "/v2/" || path === "/v2") {
      if (!isReading) throw unsupported(method);
      return exchange.json(200, {});
    }
    if (path === "/v2/_catalog" && method === "GET") return listRepositories(exchange, this.#options.catalog);
    for (const { kind, pattern } of ROUTES) {
      const m = pattern.exec(path);
      if (m === null) continue;
      const name = m[1] as string;
      if (!NAME.test(name) || name.length > MAX_NAME)
        throw new Refusal("NAME_INVALID", "invalid repository name", { detail: { name } });
      const handler = this.#handlers[kind][method === "HEAD" ? "GET" : method];
      if (handler === undefined) throw unsupported(method);
      if (!isReading && this.#options.isReadOnly)
        throw new Refusal("UNSUPPORTED", "this registry is read-only");
      return handler(exchange, name, decode(m[2] ?? ""));
    }
    throw new Refusal("NAME_UNKNOWN", "page not found");
  }

  #refuse(exchange: Exchange, error: unknown): void {
    const { response } = exchange;
    if (response.headersSent || response.destroyed) {
      // A length was promised: only a broken connection says that it will not be kept.
      response.destroy();
      this.#options.log(`${exchange.method} ${exchange.path}: ${messageOf(error)}`);
      return;
    }
    const refusal = refusalOf(error);
    if (refusal.code === "UNKNOWN")
      this.#options.log(`${exchange.method} ${exchange.path}: ${messageOf(error)}`);
    exchange.send(refusal.status, { "Content-Type": "application/json", ...refusal.headers }, refusal.body);
  }
}

const unsupported = (method: string): Refusal =>
  new Refusal("UNSUPPORTED", `the operation is unsupported: ${method}`);

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Refusal("NAME_INVALID", "invalid escape in the path");
  }
}

function handlersOf({
  catalog,
  uploads,
  cache,
}: RegistryServerOptions): Readonly<Record<Kind, Readonly<Record<string, Handler>>>> {
  return {
    uploads: { POST: (e, name) => uploads.begin(e, name) },
    upload: {
      GET: (e, name, id) => uploads.status(e, name, id),
      PATCH: (e, name, id) => uploads.append(e, name, id),
      PUT: (e, name, id) => uploads.finish(e, name, id),
      DELETE: (e, name, id) => uploads.cancel(e, name, id),
    },
    blob: {
      GET: (e, name, text) => {
        const digest = wantedDigest(text);
        if (cache !== undefined) return cache.blob(e, name, digest);
        if (!catalog.hasBlob(name, digest)) throw unknownBlob(digest);
        return serveBlob(e, catalog.content, digest);
      },
      DELETE: async (e, name, text) => {
        const digest = wantedDigest(text);
        if (!(await catalog.removeBlob(name, digest))) throw unknownBlob(digest);
        e.send(202);
      },
    },
    manifest: {
      // What no manifest can be called is a manifest that is not there.
      GET: (e, name, reference) =>
        cache === undefined || !isReference(reference)
          ? serveManifest(e, catalog, name, reference)
          : cache.manifest(e, name, reference),
      PUT: (e, name, reference) => takeManifest(e, catalog, name, reference),
      DELETE: (e, name, reference) => deleteManifest(e, catalog, name, reference),
    },
    tags: { GET: (e, name) => listTags(e, catalog, name) },
    referrers: { GET: (e, name, subject) => listReferrers(e, catalog, name, subject) },
  };
}
