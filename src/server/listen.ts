// Opens listening sockets: `unix:///path`, `tcp://host:port` with or without TLS, and `fd://` for what systemd has opened. A unix
// socket is 0660 and belongs to group berth (or docker); a leftover of a dead daemon is replaced, a live one is not.

import { chmodSync, chownSync, lstatSync, readFileSync, unlinkSync } from "node:fs";
import { connect, createServer, type Server as NetServer, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { Fault, messageOf } from "../lib/errors.ts";

/** sizeof(sun_path) - 1 on Linux. */
const MAX_UNIX_PATH_BYTES = 107;

export interface Listener {
  /** The address in force, a chosen port included. */
  readonly address: string;
  /** Stops accepting and removes the unix socket. */
  close(): void;
}

function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect({ path });
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", () => resolve(false));
  });
}

/** Removes the socket of a daemon that is gone. Throws Fault(conflict, "listen.in-use") when it is not, or no socket. */
async function clearStaleSocket(path: string): Promise<void> {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return;
  const inUse = (why: string) =>
    new Fault("conflict", `cannot listen on unix://${path}: ${why}`, { code: "listen.in-use" });
  if (!stat.isSocket()) throw inUse("there is a file that is not a socket");
  if (await isAlive(path)) throw inUse("another daemon is listening there");
  unlinkSync(path);
}

/** Returns the id of a group, undefined when there is none of that name. */
function groupId(name: string): number | undefined {
  let table: string;
  try {
    table = readFileSync("/etc/group", "utf8");
  } catch {
    return undefined; // ignored: a machine without groups has no group docker
  }
  const line = table.split("\n").find((entry) => entry.startsWith(`${name}:`));
  const id = Number(line?.split(":")[2]);
  return Number.isInteger(id) ? id : undefined;
}

function giveToGroup(path: string, { group: wanted, log }: ListenOptions): void {
  chmodSync(path, 0o660);
  const group = /^\d+$/.test(wanted ?? "")
    ? Number(wanted)
    : wanted === undefined
      ? (groupId("berth") ?? groupId("docker"))
      : groupId(wanted);
  if (group === undefined) {
    if (wanted !== undefined && wanted !== "")
      log(`unix://${path}: there is no group ${wanted} on this host: only root may use it`);
    return;
  }
  try {
    chownSync(path, process.getuid?.() ?? 0, group);
  } catch (error) {
    log(`cannot give unix://${path} to group ${group}: ${messageOf(error)}`);
  }
}

function listening(server: NetServer, address: string, options: object): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) =>
      reject(
        new Fault("system", `cannot listen on ${address}: ${messageOf(error)}`, {
          code: "listen.failed",
          cause: error,
        }),
      ),
    );
    server.listen(options, resolve);
  });
}

/** PEM texts of a TLS server. */
export interface TlsServer {
  readonly cert: string;
  readonly key: string;
  /** Authority whose clients are let in; absent: everybody is. */
  readonly clientCa?: string | undefined;
}

export interface ListenOptions {
  readonly onConnection: (socket: Socket) => void;
  readonly log: (message: string) => void;
  /** For tcp:// addresses; absent: plain. */
  readonly tls?: TlsServer | undefined;
  /** Name or id of the group that may use unix sockets; absent: `berth` or else `docker`, where there is one; "": root alone. */
  readonly group?: string | undefined;
}

async function listenUnix(path: string, options: ListenOptions): Promise<Listener> {
  if (Buffer.byteLength(path) > MAX_UNIX_PATH_BYTES) {
    throw new Fault(
      "invalidParameter",
      `cannot listen on unix://${path}: path is longer than ${MAX_UNIX_PATH_BYTES} bytes`,
    );
  }
  await clearStaleSocket(path);
  const server = createServer({ allowHalfOpen: true }, options.onConnection);
  // The socket must at no moment be open to everybody, so the mask applies when bind creates it; bind happens before
  // `listen` returns, so that no other file is made under this mask.
  const mask = process.umask(0o177);
  let ready: Promise<void>;
  try {
    ready = listening(server, `unix://${path}`, { path });
  } finally {
    process.umask(mask);
  }
  await ready;
  giveToGroup(path, options);
  return { address: `unix://${path}`, close: () => server.close() };
}

async function listenTcp(authority: string, options: ListenOptions): Promise<Listener> {
  const parts = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*)):([0-9]{1,5})$/.exec(authority);
  if (parts === null || Number(parts[3]) > 65535) {
    throw new Fault("invalidParameter", `invalid bind address (tcp://${authority}): want tcp://host:port`);
  }
  const host = parts[1] ?? (parts[2] || "127.0.0.1");
  const server = makeTcpServer(options);
  await listening(server, `tcp://${authority}`, { host, port: Number(parts[3]) });
  const bound = server.address();
  const port = bound !== null && typeof bound === "object" ? bound.port : Number(parts[3]);
  return { address: `tcp://${host.includes(":") ? `[${host}]` : host}:${port}`, close: () => server.close() };
}

/**
 * A client that is silent for so long is asked whether it is there, each second; after ten times it is not. In a minute or two a machine that has vanished
 * is found out (the kernel's own time is two hours), and a network that fails for some seconds cuts nobody off.
 */
const ASK_AFTER_MS = 120_000;
const KEEP_ALIVE = { keepAlive: true, keepAliveInitialDelay: ASK_AFTER_MS };

function makeTcpServer({ tls, onConnection, log }: ListenOptions): NetServer {
  const common = { allowHalfOpen: true, noDelay: true, ...KEEP_ALIVE };
  if (tls === undefined) return createServer(common, onConnection);
  const { cert, key, clientCa } = tls;
  const asks = clientCa === undefined ? {} : { ca: clientCa, requestCert: true, rejectUnauthorized: true };
  const options = { ...common, ...asks, cert, key, minVersion: "TLSv1.2", ALPNProtocols: ["http/1.1"] };
  const server = createTlsServer(options as object, onConnection);
  server.on("tlsClientError", (error) => log(`TLS handshake: ${messageOf(error)}`));
  return server;
}

/** The first descriptor that systemd passes (sd_listen_fds(3)). */
const FIRST_FD = 3;

/** Takes over the sockets that systemd has opened for this process; `which` is `*`, "" or the number of one. */
async function listenDescriptors(which: string, options: ListenOptions): Promise<Listener> {
  const count = Number(process.env["LISTEN_PID"]) === process.pid ? Number(process.env["LISTEN_FDS"]) : 0;
  const given = Array.from({ length: count || 0 }, (_, i) => FIRST_FD + i);
  const wanted = which === "" || which === "*" ? given : given.filter((fd) => fd === Number(which));
  if (wanted.length === 0) {
    throw new Fault(
      "invalidParameter",
      `cannot listen on fd://${which}: no sockets found via socket activation: make sure the service was started by systemd`,
      { code: "listen.no-descriptor" },
    );
  }
  const servers: NetServer[] = [];
  for (const fd of wanted) {
    const server = createServer({ allowHalfOpen: true, ...KEEP_ALIVE }, options.onConnection);
    await listening(server, `fd://${fd}`, { fd });
    servers.push(server);
  }
  return { address: `fd://${wanted.join(",")}`, close: () => servers.forEach((server) => server.close()) };
}

/** Starts to accept. Throws Fault(invalidParameter | conflict | system). */
export async function openListener(address: string, options: ListenOptions): Promise<Listener> {
  if (address.startsWith("unix://")) return listenUnix(address.slice("unix://".length), options);
  if (address.startsWith("tcp://")) return listenTcp(address.slice("tcp://".length), options);
  if (address.startsWith("fd://")) return listenDescriptors(address.slice("fd://".length), options);
  throw new Fault(
    "invalidParameter",
    `invalid bind address (${address}): want unix://path, tcp://host:port or fd://`,
  );
}
