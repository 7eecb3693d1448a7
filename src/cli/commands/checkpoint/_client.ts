import type { Client } from "../../../api/client.ts";
import { exitWith } from "../../failure.ts";
import type { Session } from "../../session.ts";

/** Returns a client of an engine with checkpoints: Docker has them among its experiments. Throws for another. */
export async function checkpointClient(session: Session, path: string): Promise<Client> {
  const client = await session.client();
  const headers = await client.ping();
  if (headers.get("docker-experimental") === "true" || headers.get("server")?.startsWith("Berth/"))
    return client;
  throw exitWith(1, `${path} is only supported on a Docker daemon with experimental features enabled`);
}
