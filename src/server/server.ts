// The daemon's HTTP server: listeners in front, node:http as parser, the contract's routes behind. Wiring makes one per
// daemon and fills the ports. Connections come from net servers of our own and are handed to node:http, because
// hijacking, half-close and TLS client certificates work only so on Bun (design/libraries.md, facts 3 and 4).
// Not here: what operations do (ports), how they are bound (routes/).

import {
  createServer as createHttpServer,
  type IncomingMessage,
  type Server as NodeHttpServer,
  type ServerResponse,
} from "node:http";
import type { Socket } from "node:net";
import { API_VERSION } from "../api/contract.ts";
import { Fault, messageOf } from "../lib/errors.ts";
import { type Gate, type GatedRequest } from "./access/gate.ts";
import type { AuditLog } from "./access/audit.ts";
import { holdBackBody } from "../lib/http1/hold-back.ts";
import { errorBody, Exchange, statusOfError } from "./exchange.ts";
import { type HijackTransport, plainTransport, upgradeTransport } from "./hijack.ts";
import { checkJsonType, readParameters } from "./input.ts";
import { refuseWebPages } from "./browser.ts";
import { type Listener, type ListenOptions, openListener } from "./listen.ts";
import type { Ports } from "./ports.ts";
import type { Route } from "./route.ts";
import { createRouter, type RouteMatch } from "./router.ts";
import { buildRoutes } from "./routes/build.ts";
import { containerRoutes } from "./routes/container.ts";
import { execRoutes } from "./routes/exec.ts";
import { factsRoutes } from "./routes/facts.ts";
import { imageRoutes } from "./routes/image.ts";
import { keptRoutes } from "./routes/kept.ts";
import { networkRoutes } from "./routes/network.ts";
import { pluginRoutes } from "./routes/plugin.ts";
import { swarmRoutes } from "./routes/swarm.ts";
import { systemRoutes } from "./routes/system.ts";
import { volumeRoutes } from "./routes/volume.ts";
import { noWebsocket, websocketTransport } from "./websocket.ts";
import { sendWhole } from "./whole-answer.ts";
import { answerVersion, negotiateVersion, splitVersion } from "./version.ts";
import { isAtLeast } from "../lib/version-order.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";

export interface ServerOptions {
  readonly ports: Ports;
  /** Product version, for the Server header. */
  readonly productVersion: string;
  /** Writes one log line. */
  readonly log?: (level: LogLevel, message: string) => void;
  /** Value of the Builder-Version header: "1" classic (default), "2" BuildKit. */
  readonly builderVersion?: "1" | "2";
  readonly isExperimental?: boolean;
  /** Asked of every request, on every socket. */
  readonly authorization?: Gate;
  readonly audit?: AuditLog;
}

/** Who may connect, and what they may do; everything without a policy. */
export interface Access extends Pick<ListenOptions, "tls" | "group"> {
  readonly policy?: Gate | undefined;
}

/** What is known of the socket that a request came to. */
interface Origin {
  readonly socket: string;
  readonly policy: Gate | undefined;
}

export interface Server {
  /** Starts to accept on `unix:///path`, `tcp://host:port` or `fd://`; returns the address in force (a chosen port included). */
  listen(address: string, access?: Access): Promise<string>;
  /** Stops accepting, aborts what runs, closes every connection and removes its unix sockets. */
  close(): Promise<void>;
}

/** The largest request head taken; X-Registry-Config can be long. Go's default. */
const MAX_HEAD_BYTES = 1024 * 1024;
/** How long a client may take to send a request's head, as dockerd. */
const HEAD_TIMEOUT_MS = 5 * 60 * 1000;

/** Every route of the API over these ports. */
export function allRoutes(ports: Ports, builderVersion = "1"): Route[] {
  return [
    ...systemRoutes(ports.system ?? {}, { builderVersion, swarm: "inactive" }),
    ...containerRoutes(ports.container ?? {}),
    ...execRoutes(ports.exec ?? {}),
    ...imageRoutes(ports.image ?? {}),
    ...buildRoutes(ports.build ?? {}),
    ...networkRoutes(ports.network ?? {}),
    ...volumeRoutes(ports.volume ?? {}),
    ...factsRoutes(ports.facts ?? {}),
    ...keptRoutes(ports.kept ?? {}),
    ...pluginRoutes(ports.plugin ?? {}),
    ...swarmRoutes(),
  ];
}

interface Target {
  readonly version: string | undefined;
  readonly path: string;
  readonly query: URLSearchParams;
}

/** Reads a request target. Throws Fault(invalidParameter) for a malformed escape. */
function parseTarget(url: string): Target {
  const relative = url.replace(/^https?:\/\/[^/]*/, "");
  const mark = relative.indexOf("?");
  const rawPath = mark < 0 ? relative : relative.slice(0, mark);
  let path: string;
  try {
    path = decodeURIComponent(rawPath);
  } catch (cause) {
    throw new Fault("invalidParameter", "invalid URL escape", { code: "request.bad-url", cause });
  }
  return { ...splitVersion(path), query: new URLSearchParams(mark < 0 ? "" : relative.slice(mark + 1)) };
}

type Reply = (status: number, headers: Readonly<Record<string, string>>, body: string) => void;

const JSON_TYPE = { "Content-Type": "application/json" } as const;

class HttpServer implements Server {
  readonly #router;
  readonly #options: ServerOptions;
  readonly #log: (level: LogLevel, message: string) => void;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #listeners: Listener[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #exchanges = new Set<Exchange>();

  constructor(options: ServerOptions) {
    this.#log = options.log ?? (() => {});
    this.#headers = {
      "Api-Version": API_VERSION,
      "Docker-Experimental": String(options.isExperimental ?? false),
      Ostype: "linux",
      Server: `Berth/${options.productVersion} (linux)`,
    };
    this.#options = options;
    this.#router = createRouter(allRoutes(options.ports, options.builderVersion));
  }

  /** One for each socket, so that no request is taken for another socket's. */
  #makeHttp(origin: Origin): NodeHttpServer {
    const http = createHttpServer({
      maxHeaderSize: MAX_HEAD_BYTES,
      headersTimeout: HEAD_TIMEOUT_MS,
      requestTimeout: 0, // uploads may take any time
      keepAliveTimeout: 0, // pooled connections of clients must not be cut under them
      shouldUpgradeCallback: (req: IncomingMessage) => this.#isHijack(req, origin),
    } as object);
    http.on("request", (req, res) => this.#onRequest(req, res, origin));
    http.on("upgrade", (req, socket, head) => this.#onUpgrade(req, socket as Socket, head, origin));
    http.on("clientError", (error, socket) => {
      this.#log("debug", `bad request: ${messageOf(error)}`);
      if (!socket.writable) return;
      socket.end(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n400 Bad Request",
      );
    });
    return http;
  }

  async listen(address: string, { policy, ...access }: Access = {}): Promise<string> {
    const http = this.#makeHttp({ socket: address, policy });
    const listener = await openListener(address, {
      ...access,
      onConnection: (socket) => this.#onConnection(http, socket),
      log: (message) => this.#log("warn", message),
    });
    this.#listeners.push(listener);
    this.#log("info", `API listen on ${listener.address}`);
    return listener.address;
  }

  async close(): Promise<void> {
    for (const listener of this.#listeners.splice(0)) listener.close();
    for (const exchange of this.#exchanges) exchange.abort("the daemon is shutting down");
    const closed = [...this.#sockets].map(
      (socket) =>
        new Promise<void>((resolve) => {
          socket.once("close", resolve);
          socket.destroy();
        }),
    );
    await Promise.all(closed);
  }

  #onConnection(http: NodeHttpServer, socket: Socket): void {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    socket.on("error", () => {}); // ignored: `close` follows, and that is what counts
    http.emit("connection", socket);
  }

  #isHijack(req: IncomingMessage, origin: Origin): boolean {
    try {
      const { path } = parseTarget(req.url ?? "/");
      const success = this.#router.match(req.method ?? "", path)?.route.operation.success;
      if (success?.kind !== "json") return success?.kind === "hijack";
      return (
        success.upgrade !== undefined &&
        success.upgrade === req.headers.upgrade &&
        !this.#isWatched(origin.policy)
      );
    } catch {
      return false; // ignored: the request handler answers it with 400
    }
  }

  /** Whether somebody judges requests, or writes them down: who has to see each operation in a request of its own. */
  #isWatched(policy: Gate | undefined): boolean {
    const { authorization, audit } = this.#options;
    return (
      policy !== undefined || audit !== undefined || (authorization !== undefined && !authorization.isIdle)
    );
  }

  #onRequest(req: IncomingMessage, res: ServerResponse, origin: Origin): void {
    holdBackBody(req);
    const reply: Reply = (status, headers, body) => {
      sendWhole(res, status, { ...headers, "Content-Length": Buffer.byteLength(body) }, body);
      req.resume();
    };
    if (req.method === "OPTIONS") return reply(200, this.#headers, "");
    this.#serve({ req, res, origin }, reply, ({ isWebsocket }) =>
      isWebsocket
        ? noWebsocket(plainTransport(req, res, this.#headers))
        : plainTransport(req, res, this.#headers),
    );
  }

  #onUpgrade(req: IncomingMessage, socket: Socket, head: Uint8Array, origin: Origin): void {
    const transport = upgradeTransport(req, socket, head, this.#headers);
    const reply: Reply = (status, headers, body) => transport.respond(status, headers, body);
    this.#serve({ req, res: undefined, origin }, reply, ({ isWebsocket }) =>
      isWebsocket ? websocketTransport(req, head, transport) : transport,
    );
  }

  /** Finds the route and runs it; whatever happens, the request is answered or its connection closed. */
  #serve(
    { req, res, origin }: { req: IncomingMessage; res: ServerResponse | undefined; origin: Origin },
    reply: Reply,
    transport: (success: { readonly isWebsocket?: boolean }) => HijackTransport,
  ): void {
    let target: Target | undefined;
    let common: Readonly<Record<string, string>> = {};
    try {
      target = parseTarget(req.url ?? "/");
      if (!origin.socket.startsWith("unix://")) refuseWebPages(req.headers);
      const match = this.#router.match(req.method ?? "", target.path);
      if (match === undefined) return reply(404, JSON_TYPE, errorBody("page not found"));
      const { operation } = match.route;
      common = this.#headers;
      const version = answerVersion(negotiateVersion(target.version), req.headers["user-agent"]);
      const { success } = operation;
      const exchange = new Exchange({
        operation,
        version,
        req,
        res,
        headers: this.#headers,
        transport:
          success.kind === "hijack"
            ? transport(success)
            : res === undefined
              ? transport({ isWebsocket: false })
              : undefined,
      });
      this.#exchanges.add(exchange);
      this.#run(match, exchange, target.query, origin)
        .catch((error: unknown) => this.#onFailure(exchange, error))
        .finally(() => this.#exchanges.delete(exchange));
    } catch (error) {
      // compat: clients older than 1.24 print the body as it is, so they get plain text.
      const isAncient = target?.version !== undefined && !isAtLeast(target.version, "1.24");
      const message = messageOf(error);
      const type = isAncient ? { "Content-Type": "text/plain; charset=utf-8" } : JSON_TYPE;
      reply(statusOfError(error), { ...common, ...type }, isAncient ? `${message}\n` : errorBody(message));
    }
  }

  async #run(
    match: RouteMatch<Route>,
    exchange: Exchange,
    query: URLSearchParams,
    origin: Origin,
  ): Promise<void> {
    const { operation, handle } = match.route;
    const { version } = exchange.call;
    if (operation.since !== undefined && !isAtLeast(version, operation.since)) {
      const what = `${operation.method} ${operation.path} requires minimum API version ${operation.since}`;
      throw new Fault("invalidParameter", what, { code: "api.version-too-old" });
    }
    if (handle === undefined) {
      throw new Fault("notImplemented", `${operation.name} is not supported by this version`, {
        code: "api.not-implemented",
      });
    }
    const { headers } = exchange.req;
    const input = readParameters(operation, { params: match.params, query, headers, version });
    if (operation.body?.kind === "json") {
      const length = headers["content-length"] ?? "0";
      checkJsonType(headers["content-type"], length !== "0" || headers["transfer-encoding"] !== undefined);
    }
    if (operation.refusesBody !== undefined && mayHaveBody(headers))
      throw new Fault("invalidParameter", operation.refusesBody, { code: "request.body" });
    const body = await exchange.readJson();
    if (operation.body?.kind === "json") input["body"] = body;
    const { req, bodyText } = exchange;
    const request = { operation, input, bodyText, req, socket: origin.socket };
    await this.#admit(request, exchange, origin.policy);
    // Once more, in the same step in which the operation begins: what the names meant a moment ago they may not mean any more.
    void origin.policy?.admit(request);
    await handle(input, exchange);
    await exchange.reviewed();
  }

  /** Asks the policy of the socket and the authorisation plugins, and writes down what they say. Throws their Fault. */
  async #admit(request: GatedRequest, exchange: Exchange, policy: Gate | undefined): Promise<void> {
    if (!this.#isWatched(policy)) return;
    if (exchange.isUpgrade && request.operation.success.kind === "json")
      throw new Fault("unavailable", "the rules of this socket have changed: ask again", {
        code: "request.rules",
      });
    const { authorization, audit } = this.#options;
    const gates = [policy, authorization].filter((gate) => gate !== undefined);
    const gate = audit?.watching(gates);
    if (gate !== undefined) await gate.admit(request);
    else for (const each of gates) await each.admit(request);
    const review = authorization?.review?.bind(authorization);
    if (review !== undefined) exchange.onAnswer = (answer) => review(request, answer);
  }

  #onFailure(exchange: Exchange, error: unknown): void {
    const status = statusOfError(error);
    const { name } = exchange.operation;
    if (exchange.call.signal.aborted) this.#log("debug", `${name}: cancelled by the client`);
    else if (status >= 500 || exchange.isAnswered) {
      const text =
        error instanceof Fault || !(error instanceof Error)
          ? messageOf(error)
          : (error.stack ?? error.message);
      this.#log(status === 501 ? "debug" : "error", `${name}: ${text}`);
    }
    exchange.fail(error);
  }
}

/** compat: clients that send `{}` or `null` where nothing is wanted are not bothered. */
function mayHaveBody(headers: IncomingMessage["headers"]): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 7;
}

/** Creates the server; it accepts nothing before `listen`. */
export function createServer(options: ServerOptions): Server {
  return new HttpServer(options);
}
