// Which ids a new container has: those of the host, those of the daemon's `userns-remap`, or, beyond what Docker has, a range that is
// its alone (`--userns auto`).
import type { HostConfig } from "../../../api/schemas/host-config.ts";
import { Fault } from "../../../lib/errors.ts";
import type { IdMap } from "../../../linux/idmap.ts";
import type { IdRanges } from "./id-ranges.ts";

/** The ids of a container; to be disposed of when they are recorded. */
export interface ChosenIds extends Disposable {
  readonly idMap: IdMap | undefined;
  /** See ContainerRecord. */
  readonly hasOwnRange: boolean;
}

/** What containers get by default, and where ranges come from. */
export interface IdSource {
  readonly idMap: IdMap | undefined;
  readonly idRanges: IdRanges;
}

/** Images have files of nobody, 65534. */
const DEFAULT_SIZE = 65_536;

/** Returns how many ids a mode such as `auto` or `auto:size=4096` asks for, undefined for every other mode. */
export function autoSize(mode: string): number | undefined {
  const [, size = String(DEFAULT_SIZE)] = /^auto(?::size=(\d{1,10}))?$/.exec(mode) ?? [undefined, ""];
  const number = Number(size);
  return size === "" || number < 1 || number >= 2 ** 32 ? undefined : number;
}

/**
 * Chooses. Fails with invalidParameter, in moby's words, for what cannot be in a user namespace, with unavailable when no
 * range is left.
 */
export function chooseIds(
  h: Pick<HostConfig, "UsernsMode" | "Privileged" | "NetworkMode" | "PidMode">,
  { idMap, idRanges }: IdSource,
): ChosenIds {
  const size = autoSize(h.UsernsMode);
  const isMapped = size !== undefined || (idMap !== undefined && h.UsernsMode !== "host");
  if (!isMapped) return { idMap: undefined, hasOwnRange: false, [Symbol.dispose]: () => undefined };
  checkMapped(h);
  if (size === undefined) return { idMap, hasOwnRange: false, [Symbol.dispose]: () => undefined };
  if (idMap !== undefined)
    throw refused("--userns=auto cannot be used with userns-remap: volumes have the remapped ids there");
  const reserved = idRanges.reserve(size);
  return { idMap: reserved.map, hasOwnRange: true, [Symbol.dispose]: () => reserved[Symbol.dispose]() };
}

function checkMapped(h: Pick<HostConfig, "Privileged" | "NetworkMode" | "PidMode">): void {
  if (h.Privileged)
    throw refused(
      "privileged mode is incompatible with user namespaces.  You must run the container in the host namespace when running privileged mode",
    );
  if (h.NetworkMode === "host")
    throw refused("cannot share the host's network namespace when user namespaces are enabled");
  if (h.PidMode === "host")
    throw refused("cannot share the host PID namespace when user namespaces are enabled");
}

function refused(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "container.userns" });
}
