// A map of ids in the words of the OCI specification: of a user namespace, or of a mount.
import type { IdMap } from "../../linux/idmap.ts";
import type { OciIdMapping } from "./oci.ts";

/** Returns the mappings; what is inside is the container's, or, of a mount, the disk's. */
export function idMappings({ uids, gids }: IdMap): {
  uidMappings: OciIdMapping[];
  gidMappings: OciIdMapping[];
} {
  const mappings = (ranges: IdMap["uids"]): OciIdMapping[] =>
    ranges.map(({ inside, outside, size }) => ({ containerID: inside, hostID: outside, size }));
  return { uidMappings: mappings(uids), gidMappings: mappings(gids) };
}
