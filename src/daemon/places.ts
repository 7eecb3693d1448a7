// Where the daemon keeps things unless it is told otherwise: the machine's directories for root, the user's own for anybody else.
import { userInfo } from "node:os";
import { join } from "node:path";
import { configDir, dataDir, runtimeDir } from "../lib/user-dirs.ts";

export interface Places {
  readonly dataRoot: string;
  readonly execRoot: string;
  readonly pidfile: string;
  readonly socket: string;
  readonly configFile: string;
}

/** Set for the part of an ordinary user's daemon that is root in its own namespaces: the user's number. */
export const ROOTLESS_UID = "BERTH_ROOTLESS_UID";

const MACHINE: Places = {
  dataRoot: "/var/lib/berth",
  execRoot: "/run/berth",
  pidfile: "/run/berth.pid",
  socket: "/run/berth/berth.sock",
  configFile: "/etc/berth/daemon.json",
};

/** Returns the number of the ordinary user whose daemon this is, undefined for the machine's. */
export function rootlessUid(): number | undefined {
  const inside = process.env[ROOTLESS_UID];
  if (inside !== undefined && /^\d+$/.test(inside)) return Number(inside);
  const { uid } = userInfo();
  return uid === 0 ? undefined : uid;
}

/** Returns the places of this process's daemon. */
export function loadPlaces(): Places {
  const uid = rootlessUid();
  if (uid === undefined) return MACHINE;
  const runtime = runtimeDir(uid);
  return {
    dataRoot: join(dataDir(), "berth"),
    execRoot: join(runtime, "berth"),
    pidfile: join(runtime, "berth.pid"),
    socket: join(runtime, "berth.sock"),
    configFile: join(configDir(), "berth/daemon.json"),
  };
}
