// The part of a rootless daemon that is root in its own namespaces: what it was told by the part outside, and what it does differently.
import { lookup } from "node:dns/promises";
import { existsSync } from "node:fs";
import { isIP } from "node:net";
import { Fault } from "../../lib/errors.ts";
import { MS } from "../../linux/mount-flags.ts";
import { host, type Op } from "../../linux/ops.ts";
import type { Access, Server } from "../../server/server.ts";
import { ROOTLESS_UID } from "../places.ts";
import { holdOutside } from "./ports.ts";

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

/**
 * Listens at an address of the daemon's. A port is held outside, where its clients are, and is one of the loopback's here. Throws what
 * the system says.
 */
export async function listenForHost(
  server: Pick<Server, "listen">,
  host: string,
  access: Access,
  settings: InsideSettings | undefined,
): Promise<void> {
  if (settings === undefined || !host.startsWith("tcp://")) return void (await server.listen(host, access));
  const { hostname, port } = new URL(host);
  const name = hostname.replace(/^\[|\]$/g, "");
  const target = { ip: "127.0.0.1", port: Number(port) };
  await server.listen(`tcp://${target.ip}:${port}`, access);
  const ip = isIP(name) === 0 ? (await lookup(name)).address : name;
  // As long as this process: the part outside sees its end.
  await holdOutside(settings.ports)("tcp", ip, target.port, target);
}

/** Returns what is to be mounted before anything asks for a name: seen in the daemon's mount namespace only. */
export function planInside({ resolvConf }: InsideSettings): Op[] {
  const target = "/etc/resolv.conf";
  // A predecessor's is below; each names the same resolver.
  return existsSync(target) ? [host.unmount(target), host.mount("", resolvConf, target, MS.BIND)] : [];
}
