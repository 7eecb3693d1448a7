// The volumes of the daemon, of which there are none: this version has no named volumes, and says so where one is asked for
// (engine/container/mounts.ts). Listing and pruning answer truthfully, so that `volume ls` and `system prune` work.
import type { VolumeList, VolumesPrune } from "../../api/schemas/volume.ts";

export class VolumeService {
  async list(): Promise<VolumeList> {
    return { Volumes: [], Warnings: null };
  }

  async prune(): Promise<VolumesPrune> {
    return { VolumesDeleted: [], SpaceReclaimed: 0 };
  }
}
