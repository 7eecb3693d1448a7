// Requests to a daemon's socket without a program of their own: load tests make thousands.
import { Agent, type ClientRequest, request } from "node:http";

export interface Answer {
  readonly status: number;
  readonly text: string;
}

export class Api {
  readonly #socketPath: string;
  readonly #agent: Agent;

  /** At most `width` requests are under way at a time. */
  constructor(socketPath: string, width = 16) {
    this.#socketPath = socketPath;
    this.#agent = new Agent({ keepAlive: true, maxSockets: width });
  }

  /** Sends a request; a body that is no Buffer is sent as JSON. Rejects when the connection breaks. */
  send(method: string, path: string, body?: unknown): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const outgoing = this.#request(method, path, body);
      outgoing.on("error", reject);
      outgoing.on("response", (answer) => {
        const parts: Buffer[] = [];
        answer.on("data", (chunk: Buffer) => parts.push(chunk));
        answer.on("error", reject);
        answer.on("end", () =>
          resolve({ status: answer.statusCode ?? 0, text: Buffer.concat(parts).toString() }),
        );
      });
    });
  }

  #request(method: string, path: string, body: unknown): ClientRequest {
    const isRaw = Buffer.isBuffer(body);
    const type = isRaw ? "application/x-tar" : "application/json";
    const headers = body === undefined ? {} : { "Content-Type": type };
    const outgoing = request({ socketPath: this.#socketPath, method, path, agent: this.#agent, headers });
    outgoing.end(isRaw || body === undefined ? body : JSON.stringify(body));
    return outgoing;
  }

  /** As send, for a request that has to succeed; returns the answer's text. */
  async text(method: string, path: string, body?: unknown): Promise<string> {
    const { status, text } = await this.send(method, path, body);
    if (status >= 400) throw new Error(`${method} ${path}: ${status} ${text}`);
    // Progress says of an operation that failed after its answer had begun.
    if (/^\{"errorDetail"|"errorDetail":/m.test(text)) throw new Error(`${method} ${path}: ${text}`);
    return text;
  }

  async json<T>(method: string, path: string, body?: unknown): Promise<T> {
    return JSON.parse(await this.text(method, path, body)) as T;
  }

  close(): void {
    this.#agent.destroy();
  }
}
