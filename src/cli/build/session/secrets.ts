// `--secret` and `--ssh`: what the user lets a build have, read when the build asks for it and not before.

import { existsSync, readFileSync, statSync } from "node:fs";
import { connect } from "node:net";
import {
  agentRequest,
  bytesMessage,
  empty,
  secretRequest,
  secretResponse,
  SESSION_KEYS,
} from "../../../lib/build-protocol/session.ts";
import { Fault } from "../../../lib/errors.ts";
import { parseCsv } from "../../../lib/flags/spec.ts";
import { type Method, unary } from "../../../lib/grpc/server.ts";
import { complain } from "../../each.ts";
import { metadataTexts } from "./directories.ts";

/** compat: the largest secret that Docker takes. */
const MAX_SECRET_BYTES = 500 * 1024;

/** Where a secret comes from. */
export interface SecretSource {
  readonly id: string;
  readonly file: string;
  readonly env: string;
}

/** Reads `--secret id=…,src=…|env=…`. Throws a Fault with Docker's words. */
export function parseSecret(text: string): SecretSource {
  let type = "";
  let id = "";
  let file = "";
  let env = "";
  for (const field of parseCsv(text)) {
    const equals = field.indexOf("=");
    if (equals < 0) throw complain(`invalid field '${field}' must be a key=value pair`);
    const key = field.slice(0, equals).toLowerCase();
    const value = field.slice(equals + 1);
    if (key === "type") {
      if (value !== "file" && value !== "env")
        throw complain(`unsupported secret type ${JSON.stringify(value)}`);
      type = value;
    } else if (key === "id") id = value;
    else if (key === "source" || key === "src") file = value;
    else if (key === "env") env = value;
    else throw complain(`unexpected key '${key}' in '${field}'`);
  }
  if (id === "") throw complain('secret missing "id"');
  if (type === "env" && env === "") return { id, env: file, file: "" };
  if (env === "" && file === "" && process.env[id] !== undefined) return { id, env: id, file: "" };
  return { id, env, file: env === "" && file === "" ? id : file };
}

function readSecret({ id, file, env }: SecretSource): Uint8Array {
  if (env !== "") {
    const value = process.env[env];
    if (value === undefined)
      throw new Fault("notFound", `secret ${id}: not found`, { code: "session.secret" });
    return Buffer.from(value);
  }
  const size = statSync(file, { throwIfNoEntry: false })?.size;
  if (size === undefined) throw new Fault("notFound", `secret ${id}: not found`, { code: "session.secret" });
  if (size > MAX_SECRET_BYTES)
    throw new Fault("invalidParameter", `secret ${id} is larger than ${MAX_SECRET_BYTES} bytes`);
  return readFileSync(file);
}

/** Throws a Fault when a secret's file is not there: better now than in the middle of a build. */
export function checkSecrets(secrets: readonly SecretSource[]): void {
  for (const { env, file } of secrets)
    if (env === "" && !existsSync(file))
      throw complain(`failed to stat ${file}: stat ${file}: no such file or directory`);
}

/** Serves Secrets.GetSecret. */
export function serveSecrets(secrets: readonly SecretSource[]): Method {
  return unary(secretRequest, secretResponse, async ({ id }) => {
    const source = secrets.find((secret) => secret.id === id);
    if (source === undefined)
      throw new Fault("notFound", `secret ${id}: not found`, { code: "session.secret" });
    return { data: readSecret(source) };
  });
}

/** Reads `--ssh default|NAME[=SOCKET]`: names and the sockets of agents. Throws a Fault for what is no agent's socket. */
export function parseSsh(texts: readonly string[]): Map<string, string> {
  const agents = new Map<string, string>();
  for (const text of texts) {
    const equals = text.indexOf("=");
    const name = equals < 0 ? text : text.slice(0, equals);
    const given = equals < 0 ? (process.env["SSH_AUTH_SOCK"] ?? "") : text.slice(equals + 1);
    if (given === "") throw complain(`invalid empty ssh agent socket: make sure SSH_AUTH_SOCK is set`);
    const stats = statSync(given, { throwIfNoEntry: false });
    if (stats === undefined) throw complain(`failed to open ${given}: no such file or directory`);
    if (!stats.isSocket())
      throw complain(`--ssh ${name}=${given}: keys in files are not supported, give an agent's socket`);
    agents.set(name, given);
  }
  return agents;
}

/** Serves SSH.CheckAgent and SSH.ForwardAgent. */
export function serveAgents(agents: ReadonlyMap<string, string>): { check: Method; forward: Method } {
  const socketOf = (id: string): string => {
    const socket = agents.get(id || "default");
    if (socket !== undefined) return socket;
    throw new Fault("notFound", `unset ssh forward key ${id || "default"}`, { code: "session.ssh" });
  };
  return {
    check: unary(agentRequest, empty, async ({ id }) => {
      socketOf(id);
      return {};
    }),
    async forward({ messages, metadata }) {
      const [id = ""] = metadataTexts(metadata, SESSION_KEYS.agent);
      const socket = connect(socketOf(id));
      const toAgent = (async () => {
        for await (const message of messages) socket.write(bytesMessage.decode(message).data);
        socket.end();
      })();
      try {
        for await (const data of socket as AsyncIterable<Uint8Array>)
          await messages.send(bytesMessage.encode({ data }));
        await toAgent;
      } finally {
        socket.destroy();
      }
    },
  };
}
