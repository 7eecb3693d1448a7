import { volumeInspect, volumeUpdate } from "../../../api/operations/volume.ts";
import { string } from "../../../lib/flags/spec.ts";
import { defineCommand, exactly } from "../../command.ts";
import { complain } from "../../failure.ts";
import type { AnyVolume } from "../../format/volume.ts";

export const command = defineCommand({
  operands: "[OPTIONS] [VOLUME]",
  arity: exactly(1),
  flags: {
    availability: string('Cluster Volume availability ("active", "pause", "drain")', {
      since: "1.42",
      initial: "active",
    }),
  },
  async run(session, { args, flags, given }) {
    const client = await session.client();
    const { ClusterVolume: cluster } = (await client.call(volumeInspect, {
      name: args[0] ?? "",
    })) as AnyVolume;
    if (cluster === undefined) throw complain("can only update cluster volumes");
    const Spec = {
      ...cluster.Spec,
      ...(given.has("availability") ? { Availability: flags.availability } : {}),
    };
    const version = String(cluster.Version?.Index ?? 0);
    await client.call(volumeUpdate, { name: cluster.ID ?? "", version, body: { Spec } });
  },
});
