// The proxy that the environment names for an address, and the tunnel through one. Source: Go's http.ProxyFromEnvironment
// (HTTP_PROXY, HTTPS_PROXY and NO_PROXY, in capitals or not), which Docker's client asks for tcp:// hosts. SOCKS is refused.

import { BlockList, isIP, isIPv6, type Socket } from "node:net";
import { Fault } from "../errors.ts";
import { type Connection, openConnection, type Proxy } from "./connect.ts";
import { encodeRequestHead, endOfHead, MAX_HEAD_BYTES, parseResponseHead } from "./head.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** An address that is to be reached. */
export interface Target {
  readonly host: string;
  readonly port: number;
  readonly isTls: boolean;
}

const valueOf = (env: Environment, name: string): string =>
  env[name.toUpperCase()] || env[name.toLowerCase()] || "";

/** Returns the proxy for an address, undefined where it is reached directly. Throws Fault(invalidParameter, "http.proxy"). */
export function proxyFor(target: Target, env: Environment): Proxy | undefined {
  const name = target.isTls ? "https_proxy" : "http_proxy";
  const text = valueOf(env, name);
  if (text === "" || isExempt(target, valueOf(env, "no_proxy"))) return undefined;
  // Whoever sends a request to a CGI program would choose its proxy (header Proxy).
  if (!target.isTls && env["REQUEST_METHOD"]) throw invalid("HTTP_PROXY is not used by CGI programs");
  return parseProxy(text);
}

function parseProxy(text: string): Proxy {
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`);
  if (url === null || url.hostname === "") throw invalid(`invalid proxy address ${JSON.stringify(text)}`);
  if (url.protocol !== "http:" && url.protocol !== "https:")
    throw invalid(`proxies of the kind ${url.protocol.slice(0, -1)} are not supported: use an http proxy`);
  const isTls = url.protocol === "https:";
  const login = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: Number(url.port || (isTls ? 443 : 80)),
    isTls,
    ...(login === ":" ? {} : { authorization: `Basic ${Buffer.from(login).toString("base64")}` }),
  };
}

/** Whether NO_PROXY, or being this machine, spares an address the proxy. */
function isExempt({ host, port }: Target, noProxy: string): boolean {
  const name = host.toLowerCase();
  const kind = isIP(name);
  if (name === "localhost" || isIn(name, "127.0.0.0/8") || isIn(name, "::1/128")) return true;
  const words = noProxy
    .toLowerCase()
    .split(",")
    .map((word) => word.trim());
  return words.some((word) => {
    if (word === "*") return true;
    if (word.includes("/")) return kind !== 0 && isIn(name, word);
    const [pattern, onPort] = splitPort(word);
    if (pattern === "" || (onPort !== "" && onPort !== String(port))) return false;
    if (isIP(pattern) !== 0) return kind !== 0 && isIn(name, `${pattern}/${isIPv6(pattern) ? 128 : 32}`);
    const domain = pattern.replace(/^\*?\./, ".");
    return domain.startsWith(".") ? name.endsWith(domain) : name === domain || name.endsWith(`.${domain}`);
  });
}

/** Takes "host:port", "[v6]:port" and what has no port apart. */
function splitPort(word: string): readonly [pattern: string, port: string] {
  const m = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d+))?$/.exec(word);
  return m === null ? [word, ""] : [m[1] ?? m[2] ?? "", m[3] ?? ""];
}

function isIn(ip: string, cidr: string): boolean {
  const [base = "", bits = ""] = cidr.split("/");
  const [kind, of] = [isIP(ip), isIP(base)];
  if (kind === 0 || kind !== of || !/^\d+$/.test(bits) || Number(bits) > (kind === 4 ? 32 : 128))
    return false;
  const family = kind === 4 ? "ipv4" : "ipv6";
  const block = new BlockList();
  block.addSubnet(base, Number(bits), family);
  return block.check(ip, family);
}

/** Asks a proxy for a connection to an address. Throws Fault(unavailable, "http.proxy"). */
export async function openTunnel(
  proxy: Proxy,
  target: { readonly host: string; readonly port: number },
  signal?: AbortSignal,
  timeoutMs?: number,
): Promise<Socket> {
  const address = authorityOf(target);
  const socket = (await openProxy(proxy, signal, timeoutMs)) as Socket;
  try {
    socket.write(encodeRequestHead("CONNECT", address, { Host: address, ...proxyHeaders(proxy) }), "utf8");
    const { status, reason } = parseResponseHead(await readHead(socket, signal));
    if (status !== 200) throw failed(`${nameOf(proxy)}: ${status} ${reason}`.trim());
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

const authorityOf = ({ host, port }: { readonly host: string; readonly port: number }): string =>
  `${isIPv6(host) ? `[${host}]` : host}:${port}`;

/** Returns what a proxy is asked for in a request that it passes on. */
export const urlOf = (target: { readonly host: string; readonly port: number }, path: string): string =>
  `http://${authorityOf(target)}${path}`;

/** Connects to a proxy. Throws Fault(unavailable, "http.proxy"). */
export async function openProxy(
  { host, port, isTls }: Proxy,
  signal?: AbortSignal,
  timeoutMs?: number,
): Promise<Connection> {
  const tls = isTls ? { tls: { skipVerify: false } } : {};
  try {
    return await openConnection({ host, port, ...tls }, signal, timeoutMs);
  } catch (error) {
    if (!(error instanceof Fault) || error.kind !== "unavailable") throw error;
    throw failed(error.message, error);
  }
}

/** What a request to a proxy has besides its own headers. */
export const proxyHeaders = ({ authorization }: Proxy): Record<string, string> =>
  authorization === undefined ? {} : { "Proxy-Authorization": authorization };

/** Reads up to the end of a head; a proxy says nothing behind it before it is spoken to. */
async function readHead(socket: Socket, signal: AbortSignal | undefined): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  let received = Buffer.alloc(0);
  const onData = (chunk: Buffer): void => {
    received = Buffer.concat([received, chunk]);
    const end = endOfHead(received);
    if (end >= 0) resolve(received.subarray(0, end));
    else if (received.length > MAX_HEAD_BYTES) reject(failed("its answer is too long"));
  };
  const onEnd = (): void => reject(failed("connection closed before an answer came"));
  const onAbort = (): void => reject(signal?.reason);
  socket.on("data", onData).once("end", onEnd).once("error", reject);
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    return await promise;
  } finally {
    socket.off("data", onData).off("end", onEnd).off("error", reject).pause();
    signal?.removeEventListener("abort", onAbort);
  }
}

const nameOf = ({ host, port }: Proxy): string => `${host}:${port}`;
const invalid = (message: string): Fault => new Fault("invalidParameter", message, { code: "http.proxy" });
const failed = (message: string, cause?: unknown): Fault =>
  new Fault("unavailable", `proxyconnect tcp: ${message}`, { code: "http.proxy", cause });
