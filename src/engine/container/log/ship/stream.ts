// Delivery over a connection: TCP, TLS or a unix socket. A connection is made when there is something to send, and again after it was
// lost. TCP does not tell what the receiver has read: when a connection breaks, whatever was sent last may not have arrived, and
// the shipper is told to send it again. With acknowledgements there is no such doubt.
import { once } from "node:events";
import { createConnection, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { Fault, messageOf } from "../../../../lib/errors.ts";
import type { Delivery, LogMessage } from "../driver/driver.ts";
import type { TlsSettings } from "./tls.ts";

export type StreamTarget =
  | { readonly transport: "unix"; readonly path: string }
  | {
      readonly transport: "tcp" | "tls";
      readonly host: string;
      readonly port: number;
      readonly tls?: TlsSettings;
    };

export interface StreamOptions {
  /** null for what is no message. */
  encode(m: LogMessage): Buffer | null;
  onUncertain(): void;
  /** How messages are acknowledged: each by its id. */
  readonly acks?: {
    encode(m: LogMessage): { bytes: Buffer; id: string };
    decode(bytes: AsyncIterable<Uint8Array>): AsyncIterable<string>;
    readonly timeoutMs?: number | undefined;
  };
  readonly writeTimeoutMs?: number;
  /** A connection older than this is replaced. */
  readonly maxAgeMs?: number;
}

const CONNECT_TIMEOUT_MS = 10_000;
const WRITE_TIMEOUT_MS = 60_000;
const ACK_TIMEOUT_MS = 60_000;
const FINISH_TIMEOUT_MS = 2000;
/** What was sent that long before an orderly end of the connection has been read. */
const CERTAIN_AFTER_MS = 1000;

const nameOf = (t: StreamTarget): string =>
  t.transport === "unix" ? `unix://${t.path}` : `${t.transport}://${t.host}:${t.port}`;

export class StreamDelivery implements Delivery {
  readonly #target: StreamTarget;
  readonly #options: StreamOptions;
  #connection: Connection | undefined;

  constructor(target: StreamTarget, options: StreamOptions) {
    this.#target = target;
    this.#options = options;
  }

  async send(
    messages: readonly LogMessage[],
    signal: AbortSignal,
  ): Promise<{ taken: number; rejected: number }> {
    const connection = await this.#connected(signal);
    const { acks } = this.#options;
    try {
      if (acks === undefined) {
        const bytes = messages.flatMap((m) => this.#options.encode(m) ?? []);
        if (bytes.length > 0)
          await connection.write(
            Buffer.concat(bytes),
            this.#options.writeTimeoutMs ?? WRITE_TIMEOUT_MS,
            signal,
          );
      } else {
        const encoded = messages.map((m) => acks.encode(m));
        const acknowledged = connection.acknowledged(
          encoded.map((e) => e.id),
          acks.timeoutMs || ACK_TIMEOUT_MS,
          signal,
        );
        acknowledged.catch(() => {}); // ignored here: awaited below, unless the write has failed first
        const bytes = Buffer.concat(encoded.map((e) => e.bytes));
        await connection.write(bytes, this.#options.writeTimeoutMs ?? WRITE_TIMEOUT_MS, signal);
        await acknowledged;
      }
    } catch (error) {
      this.close();
      throw error;
    }
    return { taken: messages.length, rejected: 0 };
  }

  async #connected(signal: AbortSignal): Promise<Connection> {
    const { maxAgeMs } = this.#options;
    if (maxAgeMs !== undefined && (this.#connection?.ageMs ?? 0) > maxAgeMs) await this.finish();
    if (this.#connection?.isOpen !== true) this.#connection = await this.#connect(signal);
    return this.#connection;
  }

  async #connect(signal: AbortSignal): Promise<Connection> {
    const socket = openSocket(this.#target);
    socket.on("error", () => {}); // ignored: `close` follows, and once() below throws it
    try {
      const ready = this.#target.transport === "tls" ? "secureConnect" : "connect";
      await once(socket, ready, {
        signal: AbortSignal.any([signal, AbortSignal.timeout(CONNECT_TIMEOUT_MS)]),
      });
    } catch (error) {
      socket.destroy();
      signal.throwIfAborted();
      const why = (error as Error).name === "AbortError" ? "no answer" : messageOf(error);
      throw unreachable(`cannot connect to ${nameOf(this.#target)}: ${why}`);
    }
    return new Connection(socket, nameOf(this.#target), this.#options);
  }

  async finish(): Promise<void> {
    const connection = this.#connection;
    this.#connection = undefined;
    await connection?.finish();
  }

  close(): void {
    this.#connection?.destroy();
    this.#connection = undefined;
  }
}

const unreachable = (message: string): Fault =>
  new Fault("unavailable", message, { code: "log.unreachable" });

function openSocket(target: StreamTarget): Socket {
  if (target.transport === "unix") return createConnection({ path: target.path });
  const { host, port } = target;
  if (target.transport === "tcp") return createConnection({ host, port, keepAlive: true });
  return connectTls({ host, port, ...(/^[\d.]+$|:/.test(host) ? {} : { servername: host }), ...target.tls });
}

/** A connection that has been made. */
class Connection {
  readonly #socket: Socket;
  readonly #name: string;
  readonly #openedAt = performance.now();
  readonly #awaited = new Map<string, () => void>();
  readonly #closed = Promise.withResolvers<void>();
  #failure: Error | undefined;
  #lastWriteAt = 0;
  #isOurs = false;
  isOpen = true;

  constructor(socket: Socket, name: string, options: StreamOptions) {
    this.#socket = socket;
    this.#name = name;
    socket.on("error", (error: Error) => {
      this.#failure = error;
    });
    socket.once("end", () => socket.end());
    socket.once("close", () => {
      this.isOpen = false;
      this.#closed.resolve();
      const isRecent = performance.now() - this.#lastWriteAt < CERTAIN_AFTER_MS;
      const isCertain = options.acks !== undefined || this.#lastWriteAt === 0;
      if (!this.#isOurs && !isCertain && (this.#failure !== undefined || isRecent)) options.onUncertain();
    });
    if (options.acks === undefined) socket.resume();
    else void this.#readAcks(options.acks);
  }

  get ageMs(): number {
    return performance.now() - this.#openedAt;
  }

  async #readAcks(acks: NonNullable<StreamOptions["acks"]>): Promise<void> {
    try {
      for await (const id of acks.decode(this.#socket)) {
        this.#awaited.get(id)?.();
        this.#awaited.delete(id);
      }
    } catch (error) {
      this.#failure ??= error as Error;
    }
    this.#socket.destroy();
  }

  /** Resolves when the kernel has everything; a receiver that is slow makes this slow. */
  write(bytes: Buffer, timeoutMs: number, signal: AbortSignal): Promise<void> {
    const written = new Promise<void>((resolve, reject) => {
      this.#socket.write(bytes, (error) =>
        error === null || error === undefined ? resolve() : reject(this.#lost(error)),
      );
    });
    return this.#unlessLost(written, timeoutMs, signal).then(() => {
      this.#lastWriteAt = performance.now();
    });
  }

  /** Resolves when the receiver has acknowledged all of these. */
  acknowledged(ids: readonly string[], timeoutMs: number, signal: AbortSignal): Promise<void> {
    const all = Promise.all(
      ids.map((id) => new Promise<void>((resolve) => void this.#awaited.set(id, resolve))),
    ).then(() => {});
    return this.#unlessLost(all, timeoutMs, signal);
  }

  async #unlessLost(done: Promise<void>, timeoutMs: number, signal: AbortSignal): Promise<void> {
    const failed = Promise.withResolvers<never>();
    const timer = setTimeout(() => failed.reject(unreachable(`${this.#name} takes nothing`)), timeoutMs);
    const onAbort = (): void => failed.reject(signal.reason as Error);
    const onClose = (): void => failed.reject(this.#lost(this.#failure));
    signal.addEventListener("abort", onAbort);
    this.#socket.on("close", onClose);
    if (!this.isOpen) onClose();
    try {
      await Promise.race([done, failed.promise]);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      this.#socket.off("close", onClose);
    }
  }

  #lost(cause: Error | undefined): Fault {
    return unreachable(
      `lost the connection to ${this.#name}${cause === undefined ? "" : `: ${cause.message}`}`,
    );
  }

  /** Ends the stream and waits until the receiver has ended it, too, or a moment. */
  async finish(): Promise<void> {
    this.#isOurs = true;
    this.#socket.end();
    const timer = setTimeout(() => this.#socket.destroy(), FINISH_TIMEOUT_MS);
    await this.#closed.promise;
    clearTimeout(timer);
    if (this.#failure !== undefined) throw this.#lost(this.#failure);
  }

  destroy(): void {
    this.#isOurs = true;
    this.#socket.destroy();
  }
}
