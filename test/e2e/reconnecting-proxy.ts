// A proxy in front of a daemon's socket that outlives the daemon: its clients keep their connections while daemons come and go.
// What a request waits for is asked for again, by means of the API alone: events and logs from the last one that was given on,
// a terminal or a stream from its place in the container's log, the end of a container as whether it runs. Nothing is given twice.
import { once } from "node:events";
import { rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { encodeFrames, FRAME_TYPES, FrameDecoder, type FrameType } from "../../src/lib/frames.ts";
import { type Connection, openConnection } from "../../src/lib/http1/connect.ts";
import { type RequestOptions, type Response, sendRequest } from "../../src/lib/http1/request.ts";
import type { Inspected } from "./harness.ts";
import { readHead } from "./raw.ts";

/** How often a daemon that is away is looked for. */
const RETRY_MS = 20;
const OK = "HTTP/1.1 200 OK\r\nConnection: close\r\n";
const UPGRADED =
  "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";

/** A client's request: its head as it came, and what of it matters here. */
interface Asked {
  readonly client: Socket;
  readonly head: string;
  readonly method: string;
  /** Without the version's prefix. */
  readonly path: string;
  readonly query: URLSearchParams;
}

export class ReconnectingProxy {
  readonly #server: Server;
  readonly #upstream: string;
  readonly #clients = new Set<Socket>();
  #isClosed = false;
  /** How often something was asked for again. */
  resumptions = 0;

  private constructor(upstream: string) {
    this.#upstream = upstream;
    this.#server = createServer({ allowHalfOpen: true }, (client) => {
      this.#clients.add(client);
      client.on("error", () => {}); // ignored: `close` follows
      client.once("close", () => this.#clients.delete(client));
      void this.#serve(client).catch(() => client.destroy()); // a client sees that
    });
  }

  static async listen(path: string, upstream: string): Promise<ReconnectingProxy> {
    const proxy = new ReconnectingProxy(upstream);
    proxy.#server.listen(path);
    await once(proxy.#server, "listening");
    return proxy;
  }

  async close(path: string): Promise<void> {
    this.#isClosed = true;
    for (const client of this.#clients) client.destroy();
    this.#server.close();
    await once(this.#server, "close");
    rmSync(path, { force: true });
  }

  async #serve(client: Socket): Promise<void> {
    const { status, headers } = await readHead(client);
    const [method = "", target = ""] = status.split(" ");
    const url = new URL(target, "http://d");
    const isUpgrade = headers["upgrade"] !== undefined;
    const rest = { ...headers, ...(isUpgrade ? {} : { connection: "close" }) };
    const lines = Object.entries(rest).map(([name, value]) => `${name}: ${value}\r\n`);
    const asked = {
      client,
      head: `${status}\r\n${lines.join("")}\r\n`,
      method,
      path: url.pathname.replace(/^\/v[\d.]+/, ""),
      query: url.searchParams,
    };
    const [, id = "", verb] = /^\/containers\/([^/]+)\/(\w+)$/.exec(asked.path) ?? [];
    if (asked.path === "/events") return this.#events(asked);
    if (verb === "logs" && asked.query.get("follow") === "1") return this.#logs(asked, id);
    if (verb === "wait") return this.#wait(asked, id);
    if (verb === "attach") return this.#attach(asked, id);
    return this.#pass(asked);
  }

  /** Keeps asking until a daemon answers; undefined when the client has gone. */
  async #ask(
    client: Socket,
    method: string,
    target: string,
    more: Partial<RequestOptions> = {},
  ): Promise<Response | undefined> {
    while (!client.destroyed && !this.#isClosed) {
      try {
        return await sendRequest({ endpoint: { path: this.#upstream }, method, target, ...more });
      } catch {
        await delay(RETRY_MS); // ignored: there is no daemon at present
      }
    }
    return undefined;
  }

  /** What ends by itself: passed on as it is, once there is a daemon. */
  async #pass({ client, head }: Asked): Promise<void> {
    for (;;) {
      if (client.destroyed || this.#isClosed) return;
      const upstream = await openConnection({ path: this.#upstream }).catch(() => undefined);
      if (upstream === undefined) {
        await delay(RETRY_MS);
        continue;
      }
      upstream.on("error", () => {}); // ignored: `close` follows
      upstream.once("close", () => client.destroy());
      client.once("close", () => upstream.destroy());
      upstream.write(head);
      client.pipe(upstream);
      upstream.pipe(client);
      return;
    }
  }

  /** Asks for the stream that `target` names again and again while `wanted` says so; whatever its pieces are, `take` looks at them. */
  async #follow(
    client: Socket,
    target: () => string,
    take: (chunk: Uint8Array) => void,
    isOver: () => Promise<boolean>,
  ): Promise<void> {
    for (;;) {
      const response = await this.#ask(client, "GET", target());
      if (response === undefined) return;
      let isWhole = true;
      try {
        for await (const chunk of response.body) take(chunk);
      } catch {
        isWhole = false; // ignored: the daemon has ended, the next one is asked
      }
      if (isWhole && (await isOver())) return;
      this.resumptions++;
    }
  }

  async #events({ client, query }: Asked): Promise<void> {
    client.write(`${OK}Content-Type: application/json\r\n\r\n`);
    query.set("since", query.get("since") ?? String(Date.now() / 1000));
    let last = 0n;
    let text = "";
    const take = (chunk: Uint8Array): void => {
      const lines = (text + Buffer.from(chunk).toString()).split("\n");
      text = lines.pop() ?? "";
      for (const line of lines) {
        const nano = BigInt(/"timeNano":(\d+)/.exec(line)?.[1] ?? 0);
        if (nano <= last) continue;
        last = nano;
        client.write(`${line}\n`);
      }
    };
    const target = (): string => {
      text = "";
      if (last > 0n)
        query.set("since", `${last / 1_000_000_000n}.${String(last % 1_000_000_000n).padStart(9, "0")}`);
      return `/events?${query}`;
    };
    await this.#follow(client, target, take, async () => client.destroyed);
  }

  async #logs({ client, query }: Asked, id: string): Promise<void> {
    client.write(`${OK}Content-Type: application/vnd.docker.multiplexed-stream\r\n\r\n`);
    query.set("timestamps", "1");
    let last = "";
    /** Entries with that time that were given, and how many of them come first in what is asked for now. */
    let given = 0;
    let skipped = 0;
    let frames = new FrameReader();
    const take = (chunk: Uint8Array): void => {
      for (const { type, data } of frames.push(chunk)) {
        const at = data.indexOf(" ");
        const time = data.subarray(0, at).toString();
        if (time === last && skipped < given) {
          skipped++;
          continue;
        }
        given = time === last ? given + 1 : 1;
        skipped = given;
        last = time;
        client.write(encodeFrames([{ type, data: data.subarray(at + 1) }]));
      }
    };
    const target = (): string => {
      frames = new FrameReader();
      skipped = 0;
      if (last !== "") {
        query.set("since", last);
        query.delete("tail");
      }
      return `/containers/${id}/logs?${query}`;
    };
    await this.#follow(client, target, take, async () => !(await this.#runs(client, id)));
    client.end();
  }

  async #inspect(client: Socket, id: string): Promise<Inspected | undefined> {
    const text = await this.#ask(client, "GET", `/containers/${id}/json`).then((answer) => answer?.text());
    return text === undefined ? undefined : (JSON.parse(text) as Inspected);
  }

  async #runs(client: Socket, id: string): Promise<boolean> {
    return (await this.#inspect(client, id))?.State?.Running === true;
  }

  /** An end that nobody was told of is seen by who asks whether it is over. */
  async #wait({ client, query }: Asked, id: string): Promise<void> {
    let isFirst = true;
    for (;;) {
      const response = await this.#ask(client, "POST", `/containers/${id}/wait?${query}`, { body: "" });
      if (response === undefined) return;
      if (isFirst) client.write(`${OK}Content-Type: application/json\r\n\r\n`);
      isFirst = false;
      const text = await response.text().catch(() => undefined);
      if (text !== undefined) return void client.end(text);
      this.resumptions++;
      if (query.get("condition") === "next-exit") query.set("condition", "not-running");
    }
  }

  /** For a client that attaches before the start. Its place in the container's output is how much of each stream it has. */
  async #attach({ client, query }: Asked, id: string): Promise<void> {
    const isTty = (await this.#inspect(client, id))?.Config["Tty"] === true;
    const upgrade = { upgrade: "tcp", body: "" };
    const open = (streams: string) =>
      this.#ask(client, "POST", `/containers/${id}/attach?${streams}`, upgrade).then((a) => a?.hijack());
    const first = await open(query.toString());
    if (first === undefined) return;
    client.write(UPGRADED);
    const input = new Input(client);
    const output = new Output(client, isTty);
    first.on("data", (chunk: Uint8Array) => output.take(chunk));
    await input.use(first);
    const isOver = async (): Promise<boolean> => !(await this.#runs(client, id));
    const target = (): string => {
      output.rewind();
      const again = open("stream=1&stdin=1").then((next) => next && input.use(next.resume()));
      again.catch(() => {}); // ignored: the container or the daemon has ended, which its output tells
      return `/containers/${id}/logs?follow=1&stdout=1&stderr=1`;
    };
    await this.#follow(client, target, (chunk) => output.take(chunk), isOver);
    client.end();
  }
}

/** What an attached client types; it waits while nobody is there to take it. */
class Input {
  readonly #waiting: Uint8Array[] = [];
  #to: Connection | undefined;

  constructor(client: Socket) {
    client.on("data", (chunk: Buffer) => {
      if (this.#to === undefined) this.#waiting.push(chunk);
      else this.#to.write(chunk);
    });
    client.once("end", () => this.#to?.end());
    client.once("close", () => this.#to?.destroy());
    client.resume();
  }

  /** Gives it to a connection; resolves when that is lost. */
  async use(connection: Connection): Promise<void> {
    this.#to = connection;
    for (const chunk of this.#waiting.splice(0)) connection.write(chunk);
    await new Promise<void>((resolve) => {
      connection.once("end", resolve);
      connection.once("close", resolve);
      connection.on("error", () => {}); // ignored: `close` follows
      connection.resume();
    });
    if (this.#to === connection) this.#to = undefined;
  }
}

/** What an attached client has of each stream. */
class Output {
  readonly #client: Socket;
  readonly #isTty: boolean;
  readonly #given = new Map<FrameType, number>();
  #seen = new Map<FrameType, number>();
  #frames = new FrameDecoder();

  constructor(client: Socket, isTty: boolean) {
    this.#client = client;
    this.#isTty = isTty;
  }

  /** What comes from here on is the output from its beginning. */
  rewind(): void {
    this.#seen = new Map();
    this.#frames = new FrameDecoder();
  }

  /** Gives the client of a piece of the output what it has not got yet. */
  take(chunk: Uint8Array): void {
    const parts = this.#isTty ? [{ type: FRAME_TYPES.stdout, data: chunk }] : this.#frames.push(chunk);
    for (const { type, data } of parts) {
      const seen = this.#seen.get(type) ?? 0;
      const given = this.#given.get(type) ?? 0;
      const end = seen + data.length;
      this.#seen.set(type, end);
      if (end <= given) continue;
      const news = data.subarray(Math.max(0, given - seen));
      this.#given.set(type, end);
      this.#client.write(this.#isTty ? news : encodeFrames([{ type, data: news }]));
    }
  }
}

/** Frames whole: each is an entry of a log. */
class FrameReader {
  #rest = Buffer.alloc(0);

  push(chunk: Uint8Array): { type: FrameType; data: Buffer }[] {
    let bytes = Buffer.concat([this.#rest, chunk]);
    const frames: { type: FrameType; data: Buffer }[] = [];
    while (bytes.length >= 8 && bytes.length >= 8 + bytes.readUInt32BE(4)) {
      const end = 8 + bytes.readUInt32BE(4);
      frames.push({ type: bytes[0] as FrameType, data: bytes.subarray(8, end) });
      bytes = bytes.subarray(end);
    }
    this.#rest = bytes;
    return frames;
  }
}
