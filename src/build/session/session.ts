// A client that has opened a session: asked, by BuildKit's session services, for its directories, secrets, agents and
// credentials, and given results to keep. It is the daemon that calls; the client serves.

import type { Duplex } from "node:stream";
import { Fault } from "../../lib/errors.ts";
import { type ClientCall, GrpcClient } from "../../lib/grpc/client.ts";
import type { BuildClient, JudgedSource, SendOptions, StepTerminal } from "../solver/ports.ts";
import {
  CHECK_POLICY,
  POLICY_ACTION,
  policyAnswer,
  policyQuestion,
} from "../../lib/build-protocol/policy.ts";
import {
  agentRequest,
  bytesMessage,
  credentialsRequest,
  credentialsResponse,
  empty,
  secretRequest,
  secretResponse,
  SESSION_KEYS,
  SESSION_METHODS,
} from "../../lib/build-protocol/session.ts";
import { CONTENT_METHODS } from "../../lib/build-protocol/content.ts";
import { byteStream } from "./byte-stream.ts";
import { ClientContent } from "./content.ts";
import { receiveFiles } from "./receive-files.ts";
import { terminalOf } from "./terminal.ts";

/** A piece of a file's content that is sent at once. */
const PIECE_BYTES = 1 << 20;

/** Escapes metadata that is not ASCII, as BuildKit does. */
export function sessionMetadata(
  values: Readonly<Record<string, readonly string[]>>,
): Record<string, string | readonly string[]> {
  const metadata: Record<string, string | readonly string[]> = {};
  for (const [name, texts] of Object.entries(values)) {
    if (texts.length === 0) continue;
    const isPlain = texts.every((t) => /^[\x20-\x7e]*$/.test(t));
    metadata[name] = isPlain ? texts : texts.map((t) => encodeURIComponent(t).replaceAll("%20", "+"));
    if (!isPlain) metadata[`${name}-encoded`] = "1";
  }
  return metadata;
}

const isAbsence = (error: unknown): boolean =>
  error instanceof Fault && (error.kind === "notFound" || error.kind === "notImplemented");

export class Session implements BuildClient {
  readonly id: string;
  /** Equal for builds of one directory by one client. */
  readonly sharedKey: string;
  readonly #client: GrpcClient;
  /** Lower case, for comparing. */
  readonly #methods: ReadonlySet<string>;

  /** `methods`: what the client says it serves. */
  constructor(connection: Duplex, options: { id: string; sharedKey: string; methods: readonly string[] }) {
    this.id = options.id;
    this.sharedKey = options.sharedKey;
    this.#methods = new Set(options.methods.map((m) => m.toLowerCase()));
    this.#client = new GrpcClient(connection);
  }

  get closed(): Promise<void> {
    return this.#client.closed;
  }

  close(): void {
    this.#client.close();
  }

  #supports(method: string): boolean {
    return this.#methods.has(method.toLowerCase());
  }

  async secret(id: string, signal: AbortSignal): Promise<Uint8Array | undefined> {
    if (!this.#supports(SESSION_METHODS.getSecret)) return undefined;
    const types = { request: secretRequest, response: secretResponse };
    try {
      const { data } = await this.#client.unary(SESSION_METHODS.getSecret, types, { id }, { signal });
      return Uint8Array.from(data);
    } catch (error) {
      if (isAbsence(error)) return undefined;
      throw error;
    }
  }

  async hasAgent(id: string): Promise<boolean> {
    if (!this.#supports(SESSION_METHODS.checkAgent)) return false;
    try {
      const types = { request: agentRequest, response: empty };
      await this.#client.unary(SESSION_METHODS.checkAgent, types, { id });
      return true;
    } catch {
      return false; // ignored: a client without the key says so with an error of any kind
    }
  }

  async connectAgent(id: string): Promise<Duplex> {
    const metadata = sessionMetadata({ [SESSION_KEYS.agent]: [id] });
    return byteStream(this.#client.start(SESSION_METHODS.forwardAgent, { metadata }));
  }

  /** Asks the client's policy about a source. Throws Fault `build.policy` where it says no, or wants more than an answer can give. */
  async judge({ identifier, attrs = {}, platform }: JudgedSource, signal: AbortSignal): Promise<void> {
    const question = {
      source: { source: { identifier, attrs } },
      ...(platform === undefined ? {} : { platform }),
    };
    const types = { request: policyQuestion, response: policyAnswer };
    const { decision, wish } = await this.#client.unary(CHECK_POLICY, types, question, { signal });
    const refused = (kind: "forbidden" | "notImplemented", why: string): Fault =>
      new Fault(kind, `source ${JSON.stringify(identifier)} ${why}`, { code: "build.policy" });
    if (decision === undefined)
      throw refused(
        "notImplemented",
        wish === undefined
          ? "was not judged by the policy"
          : "is to be judged by what is inside, which is not supported",
      );
    const action = decision.action ?? POLICY_ACTION.allow;
    if (action === POLICY_ACTION.allow) return;
    if (action === POLICY_ACTION.convert)
      throw refused("notImplemented", "is to be replaced by another one, which is not supported");
    const denials = (decision.denials ?? []).map(({ message = "" }) => message).filter((text) => text !== "");
    throw refused("forbidden", `not allowed by policy: ${["action DENY", ...denials].join(": ")}`);
  }

  async openTerminal(failure: string, signal: AbortSignal): Promise<StepTerminal | undefined> {
    if (!this.#supports(SESSION_METHODS.debugShell)) return undefined;
    const metadata = sessionMetadata({ [SESSION_KEYS.failure]: [failure] });
    return terminalOf(this.#client.start(SESSION_METHODS.debugShell, { metadata, signal }));
  }

  async sendDirectory(name: string, options: SendOptions): Promise<void> {
    if (!this.#supports(SESSION_METHODS.diffCopy))
      throw new Fault("invalidParameter", "no local sources enabled", { code: "session.no-files" });
    const metadata = sessionMetadata({
      [SESSION_KEYS.directory]: [name],
      [SESSION_KEYS.follow]: options.only ?? [],
      [SESSION_KEYS.exclude]: options.excludes ?? [],
    });
    const call = this.#client.start(SESSION_METHODS.diffCopy, { metadata, signal: options.signal });
    await receiveFiles(call, options.sink, options.onBytes);
  }

  /** Returns what the client logs in with at a registry; undefined for anonymous. */
  async credentials(host: string): Promise<{ username: string; secret: string } | undefined> {
    if (!this.#supports(SESSION_METHODS.credentials)) return undefined;
    const types = { request: credentialsRequest, response: credentialsResponse };
    try {
      const { username, secret } = await this.#client.unary(SESSION_METHODS.credentials, types, { host });
      return secret === "" ? undefined : { username, secret };
    } catch (error) {
      if (isAbsence(error)) return undefined;
      throw error;
    }
  }

  /** Returns the content of an upload that the client offers under a path (an archive from its standard input). */
  async *upload(path: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const metadata = sessionMetadata({ [SESSION_KEYS.urlPath]: [path] });
    const call = this.#client.start(SESSION_METHODS.pull, { metadata, signal });
    call.end();
    for await (const message of call.messages) yield Uint8Array.from(bytesMessage.decode(message).data);
    await call.finished;
  }

  /** Returns a directory of the client's that is an OCI layout, by the client's name for it. Throws Fault notImplemented where it offers none. */
  content(store: string): ClientContent {
    if (!this.#supports(CONTENT_METHODS.read))
      throw new Fault("notImplemented", "the client offers no content of its own", {
        code: "session.no-content",
      });
    return new ClientContent(this.#client, store);
  }

  /** Gives the client a file to keep, for the output with this number. */
  async sendFile(content: AsyncIterable<Uint8Array>, output: number, signal: AbortSignal): Promise<void> {
    const metadata = sessionMetadata({ [SESSION_KEYS.exporter]: [String(output)] });
    const call = this.#client.start(SESSION_METHODS.sendFile, { metadata, signal });
    for await (const chunk of content)
      for (let at = 0; at < chunk.length; at += PIECE_BYTES)
        await call.messages.send(bytesMessage.encode({ data: chunk.subarray(at, at + PIECE_BYTES) }));
    call.end();
    while ((await call.messages.next()) !== undefined);
    await call.finished;
  }

  /** Gives the client a directory to keep; `send` plays the sender's part of the file transfer. */
  async sendTree(
    send: (call: ClientCall) => Promise<void>,
    output: number,
    signal: AbortSignal,
  ): Promise<void> {
    const metadata = sessionMetadata({ [SESSION_KEYS.exporter]: [String(output)] });
    const call = this.#client.start(SESSION_METHODS.sendFile, { metadata, signal });
    await send(call);
    await call.finished;
  }
}
