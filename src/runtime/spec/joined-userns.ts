// A user namespace that is joined by path has its maps already: they are read from the kernel, so that owners in the specification can be
// translated (plan/userns.ts). What the specification says itself has to be the same, and is checked by nobody else.
import { readdirSync, statSync } from "node:fs";
import { Fault } from "../../lib/errors.ts";
import { type IdMap, loadIdMap } from "../../linux/idmap.ts";
import type { OciIdMapping, OciSpec } from "./oci.ts";

/**
 * Returns the specification with the maps of the user namespace that it joins; others as they are. Throws Fault invalidParameter when
 * there is no such namespace, or when the specification has other maps.
 */
export function withJoinedMappings(spec: OciSpec): OciSpec {
  const { namespaces, uidMappings = [], gidMappings = [] } = spec.linux ?? {};
  const path = namespaces?.find(({ type }) => type === "user")?.path;
  if (!path) return spec;
  const map = loadNamespaceMap(path);
  const own = { uidMappings: mappingsOf(map.uids), gidMappings: mappingsOf(map.gids) };
  const isSame =
    textOf(uidMappings) === textOf(own.uidMappings) && textOf(gidMappings) === textOf(own.gidMappings);
  if (uidMappings.length + gidMappings.length > 0 && !isSame)
    throw invalid(
      `linux.uidMappings and gidMappings are not those of the user namespace ${path} that is joined`,
    );
  return { ...spec, linux: { ...spec.linux, ...own } };
}

const mappingsOf = (ranges: IdMap["uids"]): OciIdMapping[] =>
  ranges.map(({ inside, outside, size }) => ({ containerID: inside, hostID: outside, size }));

const textOf = (mappings: readonly OciIdMapping[]): string =>
  mappings.map(({ containerID, hostID, size }) => `${containerID} ${hostID} ${size}`).join("\n");

/** The maps are only to be had of a process: of the one in the path, or of any that is in the namespace. */
function loadNamespaceMap(path: string): IdMap {
  const [, named] = /^\/proc\/(\d+)\/ns\/user$/.exec(path) ?? [];
  if (named !== undefined) return loadIdMap(Number(named));
  const wanted = identity(path);
  if (wanted === undefined) throw invalid(`there is no user namespace at ${path}`);
  for (const pid of readdirSync("/proc"))
    if (/^\d+$/.test(pid) && identity(`/proc/${pid}/ns/user`) === wanted) return loadIdMap(Number(pid));
  throw invalid(`no process is in the user namespace ${path}: its maps cannot be read`);
}

function identity(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    return undefined; // ignored: no such file, or a process that has ended
  }
}

function invalid(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "container.invalid-userns" });
}
