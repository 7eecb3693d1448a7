// The part of a rootless daemon that is root in its own namespaces: what it was told by the part outside, and what it does differently.
import { existsSync } from "node:fs";
import { Fault } from "../../lib/errors.ts";
import { MS } from "../../linux/mount-flags.ts";
import { host, type Op } from "../../linux/ops.ts";
import { ROOTLESS_UID } from "../places.ts";

/** Variable of the environment with the settings, as JSON. */
export const INSIDE = "BERTH_ROOTLESS";

/** What the part outside has prepared. */
export interface InsideSettings {
  /** Socket on which ports are asked for. */
  readonly ports: string;
  /** Socket on which their traffic is expected. */
  readonly gate: string;
  /** Resolver of the namespace's network. */
  readonly resolvConf: string;
}

/** Returns the settings where this process is that part, undefined where it is the machine's daemon. */
export function loadInsideSettings(): InsideSettings | undefined {
  const text = process.env[INSIDE];
  if (process.env[ROOTLESS_UID] === undefined || text === undefined) return undefined;
  // Containers and programs of the daemon shall not take themselves for it.
  delete process.env[INSIDE];
  try {
    return JSON.parse(text) as InsideSettings;
  } catch (error) {
    throw new Fault("invalidParameter", `${INSIDE} is not what the daemon has written`, {
      code: "daemon.rootless",
      cause: error,
    });
  }
}

/** Returns what is to be mounted before anything asks for a name: seen in the daemon's mount namespace only. */
export function planInside({ resolvConf }: InsideSettings): Op[] {
  const target = "/etc/resolv.conf";
  // A predecessor's is below; each names the same resolver.
  return existsSync(target) ? [host.unmount(target), host.mount("", resolvConf, target, MS.BIND)] : [];
}
