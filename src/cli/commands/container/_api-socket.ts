// `--use-api-socket`: the container gets the daemon's socket, and a configuration file with the user's credentials, as
// Docker's client does it: a bind mount in the request, and the file copied in before the start.

import { posix } from "node:path";
import type { Client } from "../../../api/client.ts";
import { putContainerArchive } from "../../../api/operations/container.ts";
import { Fault } from "../../../lib/errors.ts";
import type { Session } from "../../session.ts";
import type { CreateRequest } from "./_create-request.ts";

const SOCKET_INSIDE = "/var/run/docker.sock";
const CONFIG_INSIDE = "/run/secrets/docker/config.json";

export interface ApiSocket {
  readonly request: CreateRequest;
  /** Copies the credentials in, if there are any; a failure is a warning's text, since the container is made already. */
  finish(client: Client, id: string): Promise<string | undefined>;
}

/** Adds the socket to a request. Throws a Fault where the daemon is not reached through one. */
export async function withApiSocket(session: Session, plain: CreateRequest): Promise<ApiSocket> {
  const { host } = await session.endpoint();
  if (!host.startsWith("unix://"))
    throw new Fault(
      "invalidParameter",
      `flag --use-api-socket can only be used with unix sockets: docker endpoint ${host} incompatible`,
      { code: "cli.create" },
    );
  const { HostConfig, Env } = plain.body;
  const mount = {
    Type: "bind",
    Source: host.slice("unix://".length),
    Target: SOCKET_INSIDE,
    BindOptions: {},
  };
  const Mounts = [...(HostConfig.Mounts ?? []), mount];
  const body = { ...plain.body, HostConfig: { ...HostConfig, Mounts } };
  // Whoever says where the configuration is has one.
  const auths = Env?.some((pair) => pair.startsWith("DOCKER_CONFIG=")) ? {} : await storedAuths(session);
  if (Object.keys(auths).length === 0) return { request: { ...plain, body }, finish: async () => undefined };
  const variable = `DOCKER_CONFIG=${posix.dirname(CONFIG_INSIDE)}`;
  return {
    request: { ...plain, body: { ...body, Env: [...(Env ?? []), variable] } },
    finish: (client, id) => copyConfig(client, id, auths),
  };
}

async function storedAuths(session: Session): Promise<Record<string, unknown>> {
  const { allCredentials, storedForm } = await import("../../config/credentials.ts");
  const all = allCredentials(await session.config());
  return Object.fromEntries(Object.entries(all).map(([key, auth]) => [key, storedForm(auth)]));
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}

async function copyConfig(client: Client, id: string, auths: object): Promise<string | undefined> {
  const { TAR_END, tarEntry, tarHeader, tarPadding } = await import("../../../lib/tar/writer.ts");
  const content = Buffer.from(JSON.stringify({ auths }, null, "\t"));
  const entry = tarEntry({
    type: "file",
    name: CONFIG_INSIDE.slice(1),
    mode: 0o600,
    uid: 0,
    gid: 0,
    mtimeSec: Math.floor(Date.now() / 1000),
    sizeBytes: content.length,
  });
  const archive = Buffer.concat([tarHeader(entry), content, tarPadding(content.length), TAR_END]);
  try {
    await client.call(putContainerArchive, { id, path: "/" }, { upload: once(archive) });
    return undefined;
  } catch (error) {
    return `injecting docker config.json into container failed: ${(error as Error).message}`;
  }
}
