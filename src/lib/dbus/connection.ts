// A connection to a D-Bus peer over a unix socket: who we are the kernel tells it, calls are answered, signals are kept for who waits for
// them. Without descriptors, and without services of our own.

import { createConnection, type Socket } from "node:net";
import { Fault } from "../errors.ts";
import { type DbusMessage, decodeMessage, encodeMessage, MESSAGE } from "./message.ts";
import type { DbusValue } from "./value.ts";

export interface DbusCall {
  destination?: string;
  path: string;
  interface: string;
  member: string;
  signature?: string;
  body?: readonly DbusValue[];
}

/** A peer that has said no: `code` is its name for it. */
export function dbusFault(name: string, text: string): Fault {
  return new Fault("system", text === "" ? name : text, { code: name });
}

interface Waiting {
  takes(message: DbusMessage): boolean;
  resolve(message: DbusMessage): void;
  reject(error: unknown): void;
}

export class DbusConnection implements Disposable {
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #isOpen = false;
  #serial = 0;
  /** Why there is nothing more to come. */
  #end: Fault | undefined;
  readonly #waiting = new Set<Waiting>();
  readonly #signals: DbusMessage[] = [];

  private constructor(socket: Socket, opened: (error?: unknown) => void) {
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      try {
        this.#take(opened);
      } catch (error) {
        this.#fail(error as Fault, opened);
      }
    });
    socket.on("error", (error) => this.#fail(unreachable(error.message, error), opened));
    socket.on("close", () => this.#fail(unreachable("the connection was closed", undefined), opened));
    // compat: no name of ours: the peer has the socket's credentials, which hold in user namespaces, too
    socket.write("\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n");
  }

  /** Connects to the socket at `path`; a leading NUL is an abstract one. Throws Fault unavailable. */
  static open(path: string): Promise<DbusConnection> {
    return new Promise((resolve, reject) => {
      const socket = createConnection({ path });
      const connection: DbusConnection = new DbusConnection(socket, (error) => {
        if (error === undefined) resolve(connection);
        else reject(error as Error);
      });
    });
  }

  /** Says hello to a bus, which has to be before everything else; a peer without a bus takes none. */
  async hello(): Promise<void> {
    await this.call({
      destination: "org.freedesktop.DBus",
      path: "/org/freedesktop/DBus",
      interface: "org.freedesktop.DBus",
      member: "Hello",
    });
  }

  /** Returns the body of the answer. Throws the peer's error, with its name as code. */
  async call(call: DbusCall): Promise<readonly DbusValue[]> {
    const serial = ++this.#serial;
    const answer = this.#await((m) => m.replySerial === serial);
    this.#socket.write(encodeMessage({ type: MESSAGE.call, serial, body: [], ...call }));
    const message = await answer;
    if (message.type !== MESSAGE.error) return message.body;
    const [text] = message.body;
    throw dbusFault(
      message.errorName ?? "org.freedesktop.DBus.Error.Failed",
      typeof text === "string" ? text : "",
    );
  }

  /** Returns the body of the first signal that `takes` takes, of those that have come already, too. */
  async signal(takes: (message: DbusMessage) => boolean): Promise<readonly DbusValue[]> {
    const at = this.#signals.findIndex(takes);
    if (at >= 0) return (this.#signals.splice(at, 1)[0] as DbusMessage).body;
    return (await this.#await((m) => m.type === MESSAGE.signal && takes(m))).body;
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }

  #await(takes: (message: DbusMessage) => boolean): Promise<DbusMessage> {
    return new Promise((resolve, reject) => {
      if (this.#end) reject(this.#end);
      else this.#waiting.add({ takes, resolve, reject });
    });
  }

  #take(opened: () => void): void {
    if (!this.#isOpen && !this.#authenticate()) return;
    if (!this.#isOpen) {
      this.#isOpen = true;
      opened();
    }
    for (let next = decodeMessage(this.#received); next; next = decodeMessage(this.#received)) {
      this.#received = this.#received.subarray(next.size);
      this.#deliver(next.message);
    }
  }

  /** `DATA`, then `OK` and the peer's id; the messages begin behind that line. */
  #authenticate(): boolean {
    for (let end = this.#received.indexOf("\r\n"); end >= 0; end = this.#received.indexOf("\r\n")) {
      const line = this.#received.toString("latin1", 0, end);
      this.#received = this.#received.subarray(end + 2);
      if (line.startsWith("OK")) return true;
      if (!line.startsWith("DATA")) throw unreachable(`it does not let us in: ${line}`, undefined);
    }
    return false;
  }

  #deliver(message: DbusMessage): void {
    for (const waiting of this.#waiting)
      if (waiting.takes(message)) {
        this.#waiting.delete(waiting);
        waiting.resolve(message);
        return;
      }
    if (message.type === MESSAGE.signal) this.#signals.push(message);
  }

  #fail(fault: Fault, opened: (error: unknown) => void): void {
    this.#end ??= fault;
    opened(this.#end);
    for (const waiting of this.#waiting) waiting.reject(this.#end);
    this.#waiting.clear();
    this.#socket.destroy();
  }
}

function unreachable(why: string, cause: unknown): Fault {
  return new Fault("unavailable", `cannot speak with the D-Bus peer: ${why}`, {
    code: "dbus.unreachable",
    cause,
  });
}
