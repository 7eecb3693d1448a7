// The name service of a container in a user-defined network: from its start, from the moment it joins its first one, or
// taken up again by a new daemon. The shim listens, rules in the container's namespace lead 127.0.0.11 port 53 there,
// net/dns answers.
import { randomInt } from "node:crypto";
import { messageOf, SysError } from "../../../lib/errors.ts";
import { host } from "../../../linux/ops.ts";
import { planRedirect } from "../../../net/dns/redirect.ts";
import type { DnsOverrides } from "../../../net/dns/resolv-conf.ts";
import type { DnsServer } from "../../../net/dns/server.ts";
import { openDns } from "../../../runtime/shim/client.ts";
import type { ContainerContext } from "../context.ts";
import type { ContainerRecord } from "../record.ts";
import type { Run } from "../table.ts";
import { type ContainerNames, hasNameService } from "./names.ts";
import { NETNS } from "./sandbox.ts";

/** Where the shim listens: any free port that the kernel gives to no connection by itself and programs rarely want. */
const PORTS = { first: 61_000, last: 65_535 } as const;
const TRIES = 5;
const EADDRINUSE = 98;

/** The daemon's name service. */
export interface NameService {
  readonly server: DnsServer;
  readonly names: ContainerNames;
  /** The daemon's `--dns`, `--dns-search` and `--dns-opt`. */
  readonly defaults: DnsOverrides;
}

type Place = Pick<Run, "pid" | "socketPath">;

/** Starts the service of a container whose process waits at its barrier, or runs. */
export async function startNameService(
  context: Pick<ContainerContext, "keel" | "nameService">,
  id: string,
  place: Place,
): Promise<void> {
  const wanted = { port: 0 };
  const { port, keeps, connection } = await listen(place.socketPath, wanted);
  try {
    // A shim that listened already may have rules of an attempt that a crash cut short.
    const redirect = planRedirect(NETNS, port, { replaces: port !== wanted.port });
    await context.keel.run([host.netnsOpen(NETNS, `/proc/${place.pid}/ns/net`), ...redirect]);
  } catch (error) {
    connection.destroy();
    throw error;
  }
  void context.nameService.server.serve(id, connection, keeps);
}

async function listen(socketPath: string, wanted: { port: number }): ReturnType<typeof openDns> {
  for (let tries = 1; ; tries++) {
    wanted.port = randomInt(PORTS.first, PORTS.last + 1);
    try {
      return await openDns(socketPath, wanted.port);
    } catch (error) {
      if (!(error instanceof SysError) || error.errno !== EADDRINUSE || tries === TRIES) throw error;
    }
  }
}

/** Gives the service to a running container that is about to have these networks, if they are its first ones with names. */
export async function joinNameService(
  context: ContainerContext,
  record: ContainerRecord,
  place: Place,
): Promise<void> {
  if (!hasNameService(record) || context.nameService.server.isServing(record.id)) return;
  await startNameService(context, record.id, place);
}

/** Takes the questions of a container over that an earlier daemon has started; what fails is logged. */
export async function resumeNameService(
  context: ContainerContext,
  record: ContainerRecord,
  place: Place,
): Promise<void> {
  if (!hasNameService(record)) return;
  try {
    const { keeps, connection } = await listen(place.socketPath, { port: 0 });
    void context.nameService.server.serve(record.id, connection, keeps);
  } catch (error) {
    context.log("warn", `container ${record.id.slice(0, 12)}: no name service: ${messageOf(error)}`);
  }
}
