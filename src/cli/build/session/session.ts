// The client's side of a build session: a connection on which the daemon asks for what only this machine has.

import { randomBytes } from "node:crypto";
import type { Client } from "../../../api/client.ts";
import { buildSession } from "../../../api/operations/build.ts";
import {
  credentialsRequest,
  credentialsResponse,
  empty,
  bytesMessage,
  healthResponse,
  SESSION_KEYS,
  SESSION_METHODS,
} from "../../../lib/build-protocol/session.ts";
import { Fault } from "../../../lib/errors.ts";
import { type Method, type Methods, serveGrpc, unary } from "../../../lib/grpc/server.ts";
import type { ConfigFile } from "../../config/config-file.ts";
import { credentialsFor } from "../../config/credentials.ts";
import { type AgentSource, serveAgents } from "./agents.ts";
import { serveContent } from "./content.ts";
import { metadataTexts, serveDirectories } from "./directories.ts";
import { type SecretSource, serveSecrets } from "./secrets.ts";

export interface SessionOptions {
  /** Directories by the names that the build knows them by. */
  readonly directories: ReadonlyMap<string, string>;
  /** Archives by the path under which the build fetches them. */
  readonly uploads: ReadonlyMap<string, AsyncIterable<Uint8Array>>;
  /** Directories that are OCI layouts, by the names that the build knows them by. */
  readonly stores: ReadonlyMap<string, string>;
  readonly secrets: readonly SecretSource[];
  /** Ssh agents by name. */
  readonly agents: ReadonlyMap<string, AgentSource>;
  readonly config: ConfigFile;
  /** Gives the terminal to a shell where a step has failed. */
  readonly debugShell?: Method | undefined;
  /** Takes files that the build gives back. */
  readonly outputs?: Method | undefined;
  /** Equal for builds of one directory. */
  readonly sharedKey: string;
}

/** A session that is open until it is closed. */
export interface OpenSession {
  readonly id: string;
  close(): void;
}

function credentials(config: ConfigFile): Method {
  return unary(credentialsRequest, credentialsResponse, async ({ host }) => {
    const domain = /^(registry-1|index)\.docker\.io$/.test(host) ? "docker.io" : host;
    const { username = "", password = "", identitytoken } = credentialsFor(config, domain);
    return identitytoken === undefined
      ? { username, secret: password }
      : { username: "", secret: identitytoken };
  });
}

/** compat: says "serving", which Docker asks every few seconds. */
const health: Method = unary(empty, healthResponse, async () => ({ status: 1 }));

function uploads(archives: SessionOptions["uploads"]): Method {
  return async ({ messages, metadata }) => {
    const archive = archives.get(metadataTexts(metadata, SESSION_KEYS.urlPath)[0] ?? "");
    if (archive === undefined) throw new Fault("notFound", "no such upload", { code: "session.upload" });
    for await (const data of archive) await messages.send(bytesMessage.encode({ data }));
  };
}

function methodsOf(options: SessionOptions): Methods {
  const agents = serveAgents(options.agents);
  return {
    [SESSION_METHODS.health]: health,
    [SESSION_METHODS.credentials]: credentials(options.config),
    [SESSION_METHODS.diffCopy]: serveDirectories(options.directories),
    ...(options.secrets.length === 0 ? {} : { [SESSION_METHODS.getSecret]: serveSecrets(options.secrets) }),
    ...(options.agents.size === 0
      ? {}
      : { [SESSION_METHODS.checkAgent]: agents.check, [SESSION_METHODS.forwardAgent]: agents.forward }),
    ...(options.uploads.size === 0 ? {} : { [SESSION_METHODS.pull]: uploads(options.uploads) }),
    ...(options.stores.size === 0 ? {} : serveContent(options.stores)),
    ...(options.debugShell === undefined ? {} : { [SESSION_METHODS.debugShell]: options.debugShell }),
    ...(options.outputs === undefined ? {} : { [SESSION_METHODS.sendFile]: options.outputs }),
  };
}

/** Opens a session. Throws what the call throws. */
export async function openSession(client: Client, options: SessionOptions): Promise<OpenSession> {
  const id = randomBytes(13).toString("hex");
  const methods = methodsOf(options);
  const { socket } = await client.hijack(buildSession, {
    uuid: id,
    sessionName: "berth",
    sharedKey: options.sharedKey,
    methods: Object.keys(methods),
  });
  const server = serveGrpc(socket, methods);
  return { id, close: () => server.close() };
}
