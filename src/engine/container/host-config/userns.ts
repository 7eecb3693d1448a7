// Which ids a new container has: with `userns-remap` those of a user namespace, unless it asks for the host's.
import type { HostConfig } from "../../../api/schemas/host-config.ts";
import { Fault } from "../../../lib/errors.ts";
import type { IdMap } from "../../../linux/idmap.ts";

/** Returns the ids, undefined for the host's. Fails with invalidParameter, in moby's words, for what cannot be in a user namespace. */
export function idMapFor(
  h: Pick<HostConfig, "UsernsMode" | "Privileged" | "NetworkMode" | "PidMode">,
  remapped: IdMap | undefined,
): IdMap | undefined {
  if (remapped === undefined || h.UsernsMode === "host") return undefined;
  if (h.Privileged)
    throw refused(
      "privileged mode is incompatible with user namespaces.  You must run the container in the host namespace when running privileged mode",
    );
  if (h.NetworkMode === "host")
    throw refused("cannot share the host's network namespace when user namespaces are enabled");
  if (h.PidMode === "host")
    throw refused("cannot share the host PID namespace when user namespaces are enabled");
  return remapped;
}

function refused(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "container.userns" });
}
