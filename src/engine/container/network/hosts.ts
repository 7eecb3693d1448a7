// The /etc/hosts of a running container, kept true while networks and linked containers come and go. The file is bound into
// the container: it is rewritten in place, never replaced.
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { messageOf } from "../../../lib/errors.ts";
import { ownNames, type HostEntry } from "../../../net/sandbox/hosts-file.ts";
import type { ContainerContext } from "../context.ts";
import type { AttachedEndpoint, ContainerRecord } from "../record.ts";

/** Returns the lines that an endpoint stands for. */
export function ownHosts(record: ContainerRecord, endpoint: AttachedEndpoint): HostEntry[] {
  const names = ownNames(record.config.Hostname, record.config.Domainname);
  return [endpoint.ip, endpoint.ip6 ?? ""].filter((ip) => ip !== "").map((ip) => ({ ip, names }));
}

/** Rewrites the file; what fails is logged, since a container that runs must not be lost over it. */
export async function editHosts(
  context: Pick<ContainerContext, "paths" | "log">,
  containerId: string,
  edit: (text: string) => string,
): Promise<void> {
  try {
    await using file = await open(
      context.paths.etcFile(containerId, "hosts"),
      constants.O_RDWR | constants.O_NOFOLLOW,
    );
    const before = await file.readFile("utf8");
    const after = edit(before);
    if (after === before) return;
    await file.truncate(0);
    await file.write(after, 0);
  } catch (error) {
    context.log(
      "warn",
      `container ${containerId.slice(0, 12)}: cannot change /etc/hosts: ${messageOf(error)}`,
    );
  }
}
