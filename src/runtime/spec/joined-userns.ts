// A user namespace that is joined by path has its maps already: they are read from the kernel, so that owners in the specification can be
// translated (plan/userns.ts). What the specification says itself has to be the same, and is checked by nobody else.
import { Fault, SysError } from "../../lib/errors.ts";
import type { IdMap } from "../../linux/idmap.ts";
import type { OciIdMapping, OciSpec } from "./oci.ts";

/**
 * Returns the specification with the maps of the user namespace that it joins, which `load` reads; others as they are. Throws Fault
 * invalidParameter when there is no such namespace, or when the specification has other maps.
 */
export function withJoinedMappings(spec: OciSpec, load: (path: string) => IdMap): OciSpec {
  const { namespaces, uidMappings = [], gidMappings = [] } = spec.linux ?? {};
  const path = namespaces?.find(({ type }) => type === "user")?.path;
  if (!path) return spec;
  const map = loadMap(path, load);
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

function loadMap(path: string, load: (path: string) => IdMap): IdMap {
  try {
    return load(path);
  } catch (error) {
    if (!(error instanceof SysError)) throw error;
    throw invalid(`the id maps of the user namespace ${path} cannot be read: ${error.message}`);
  }
}

function invalid(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "container.invalid-userns" });
}
