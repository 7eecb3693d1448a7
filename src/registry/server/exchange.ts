// One request to the registry and its answer, as the handlers see them.
import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { Refusal } from "./errors.ts";

export type Headers = Readonly<Record<string, string | number>>;

export class Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly path: string;
  readonly query: URLSearchParams;

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.request = request;
    this.response = response;
    const url = request.url ?? "/";
    const mark = url.indexOf("?");
    this.path = mark < 0 ? url : url.slice(0, mark);
    this.query = new URLSearchParams(mark < 0 ? "" : url.slice(mark + 1));
  }

  get method(): string {
    return this.request.method ?? "";
  }

  get isHead(): boolean {
    return this.method === "HEAD";
  }

  header(name: string): string | undefined {
    const value = this.request.headers[name];
    return Array.isArray(value) ? value[0] : value;
  }

  /** The request's body; a client that goes away makes it fail. */
  get body(): AsyncIterable<Uint8Array> {
    return this.request as AsyncIterable<Uint8Array>;
  }

  /** Reads the body whole. Refuses one that is longer than `limit` bytes. */
  async bytes(limit: number): Promise<Buffer> {
    const parts: Uint8Array[] = [];
    let size = 0;
    // No for loop: leaving one early would close the connection before the answer is out.
    const chunks = this.body[Symbol.asyncIterator]();
    for (let next = await chunks.next(); !next.done; next = await chunks.next()) {
      const chunk = next.value;
      size += chunk.length;
      if (size > limit) throw new Refusal("SIZE_INVALID", `content is larger than ${limit} bytes`);
      parts.push(chunk);
    }
    return Buffer.concat(parts);
  }

  /** Answers with a text, or nothing. */
  send(status: number, headers: Headers = {}, body = ""): void {
    this.response.writeHead(status, { ...headers, "Content-Length": Buffer.byteLength(body) });
    this.response.end(this.isHead ? undefined : body);
  }

  json(status: number, value: unknown, headers: Headers = {}): void {
    this.send(status, { "Content-Type": "application/json", ...headers }, JSON.stringify(value));
  }

  /** Answers with content, of which `headers` says how much; for HEAD with the headers alone. */
  async stream(status: number, headers: Headers, content: AsyncIterable<Uint8Array>): Promise<void> {
    this.response.writeHead(status, headers);
    if (this.isHead) return void this.response.end();
    await pipeline(Readable.from(content, { objectMode: false, highWaterMark: 1 << 20 }), this.response);
  }
}
