// `--ssh`: the ssh agents that a build may ask. One is the user's own, by its socket, or holds keys from files, which it does
// not give away.

import { readFileSync, type Stats, statSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { agentRequest, bytesMessage, empty, SESSION_KEYS } from "../../../lib/build-protocol/session.ts";
import { Fault } from "../../../lib/errors.ts";
import { type Method, unary } from "../../../lib/grpc/server.ts";
import { agentFrame, agentMessages, agentOf, readOnly, type SshAgent } from "../../../lib/ssh-agent/agent.ts";
import { parsePrivateKey, type SshKey } from "../../../lib/ssh-agent/private-key.ts";
import { complain } from "../../failure.ts";
import { errnoText } from "../../options/env.ts";
import { metadataTexts } from "./directories.ts";

/** compat: as much as Docker reads of a file with a key. */
const MAX_KEY_BYTES = 100 * 1024;

/** An agent, open for one connection of a step's. */
export interface OpenAgent extends Disposable {
  readonly answer: SshAgent;
}

/** Opens an agent. Rejects with a Fault where its socket leads nowhere. */
export type AgentSource = () => Promise<OpenAgent>;

function openSocket(path: string): Promise<Socket> {
  const socket = connect(path);
  return new Promise((resolve, reject) => {
    socket.once("connect", () => resolve(socket));
    socket.once("error", (error) =>
      reject(
        new Fault("unavailable", `failed to connect to ${path}: ${errnoText(error)}`, {
          code: "session.ssh",
        }),
      ),
    );
  });
}

async function openUserAgent(path: string): Promise<OpenAgent> {
  const socket = await openSocket(path);
  const answers = agentMessages(socket);
  const answer = readOnly(async (request) => {
    socket.write(agentFrame(request));
    const { value, done } = await answers.next();
    if (done === true)
      throw new Fault("unavailable", `${path}: the agent closed the connection`, { code: "session.ssh" });
    return value;
  });
  return { answer, [Symbol.dispose]: () => socket.destroy() };
}

function readKey(path: string): SshKey {
  try {
    return parsePrivateKey(readFileSync(path).subarray(0, MAX_KEY_BYTES).toString("latin1"));
  } catch (error) {
    if (!(error instanceof Fault)) throw complain(`failed to open ${path}: ${errnoText(error)}`);
    const advice =
      error.code === "ssh.encrypted"
        ? " (load it into an agent with ssh-add and give the agent's socket)"
        : "";
    throw complain(`failed to parse ${path}: ${error.message}${advice}`);
  }
}

function statPath(path: string): Stats {
  try {
    return statSync(path);
  } catch (error) {
    throw complain(`failed to open ${path}: ${errnoText(error)}`);
  }
}

function sourceOf(paths: readonly string[]): AgentSource {
  const [socket] = paths.filter((path) => statPath(path).isSocket());
  if (socket === undefined) {
    const answer = agentOf(paths.map(readKey));
    return async () => ({ answer, [Symbol.dispose]: () => undefined });
  }
  if (paths.length > 1)
    throw complain(`--ssh: ${paths.join(",")}: one agent's socket or files with keys, not both`);
  return () => openUserAgent(socket);
}

/** Reads `--ssh default|NAME[=SOCKET|KEY,…]`. Of two with one name the later counts. Throws a Fault for what is neither a socket nor a key. */
export function parseSsh(texts: readonly string[]): Map<string, AgentSource> {
  const paths = new Map<string, readonly string[]>();
  for (const text of texts.filter((given) => given !== "")) {
    const [, name = "", given = ""] = /^([^=]*)=?(.*)$/s.exec(text) ?? [];
    const path = given === "" ? (process.env["SSH_AUTH_SOCK"] ?? "") : given;
    if (path === "") throw complain("invalid empty ssh agent socket: make sure SSH_AUTH_SOCK is set");
    paths.set(name || "default", given === "" ? [path] : path.split(","));
  }
  return new Map([...paths].map(([name, from]) => [name, sourceOf(from)]));
}

/** Serves SSH.CheckAgent and SSH.ForwardAgent. */
export function serveAgents(agents: ReadonlyMap<string, AgentSource>): { check: Method; forward: Method } {
  const sourceFor = (id: string): AgentSource => {
    const source = agents.get(id || "default");
    if (source !== undefined) return source;
    throw new Fault("notFound", `unset ssh forward key ${id || "default"}`, { code: "session.ssh" });
  };
  return {
    check: unary(agentRequest, empty, async ({ id }) => {
      sourceFor(id);
      return {};
    }),
    async forward({ messages, metadata }) {
      const [id = ""] = metadataTexts(metadata, SESSION_KEYS.agent);
      using agent = await sourceFor(id)();
      for await (const request of agentMessages(dataOf(messages)))
        await messages.send(bytesMessage.encode({ data: agentFrame(await agent.answer(request)) }));
    },
  };
}

async function* dataOf(messages: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const message of messages) yield bytesMessage.decode(message).data;
}
