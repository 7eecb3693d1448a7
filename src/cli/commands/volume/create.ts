import { volumeCreate } from "../../../api/operations/volume.ts";
import { list, map, string } from "../../../lib/flags/spec.ts";
import { atMost, defineCommand } from "../../command.ts";
import { complain } from "../../failure.ts";
import { labelFlag, toRecord } from "../../options/env.ts";
import { bytesFlag } from "../../options/values.ts";
import { print } from "../../output.ts";

const cluster = { since: "1.42" } as const;

const clusterFlags = {
  availability: string('Cluster volume availability ("active", "pause", "drain")', {
    ...cluster,
    initial: "active",
  }),
  group: string("Cluster volume group", cluster),
  "limit-bytes": bytesFlag("Largest size of the cluster volume", cluster),
  "required-bytes": bytesFlag("Smallest size of the cluster volume", cluster),
  scope: string('Cluster volume access scope ("single", "multi")', { ...cluster, initial: "single" }),
  secret: map("Cluster volume secrets", cluster),
  sharing: string('Cluster volume sharing ("none", "readonly", "onewriter", "all")', {
    ...cluster,
    initial: "none",
  }),
  "topology-preferred": list("Where the cluster volume would best be", cluster),
  "topology-required": list("Where the cluster volume must be", cluster),
  type: string('Cluster volume access type ("mount", "block")', { ...cluster, initial: "block" }),
};

export const command = defineCommand({
  operands: "[OPTIONS] [VOLUME]",
  arity: atMost(1),
  flags: {
    ...clusterFlags,
    driver: string("Volume driver", { short: "d", initial: "local" }),
    label: labelFlag("Set metadata for a volume"),
    name: string("Specify volume name", { hidden: true }),
    opt: map("Set driver specific options", { short: "o" }),
  },
  async run(session, { args, flags, given }) {
    if (given.has("name") && args.length > 0) {
      throw complain(
        "conflicting options: cannot specify a volume-name through both --name and as a positional arg",
      );
    }
    const body = {
      Name: args[0] ?? flags.name,
      Driver: flags.driver,
      DriverOpts: { ...flags.opt },
      Labels: toRecord(flags.label),
      ...(Object.keys(clusterFlags).some((name) => given.has(name))
        ? { ClusterVolumeSpec: clusterSpec(flags) }
        : {}),
    };
    const client = await session.client();
    const { Name } = await client.call(volumeCreate, { body });
    print(`${Name}\n`);
  },
});

type Flags = { readonly [K in keyof typeof clusterFlags]: (typeof clusterFlags)[K]["initial"] };

function clusterSpec(flags: Flags) {
  const topology = (texts: readonly string[]) =>
    texts.map((text) => ({ Segments: toRecord(text.split(",")) }));
  return {
    Group: flags.group,
    AccessMode: {
      Scope: flags.scope,
      Sharing: flags.sharing,
      ...(flags.type === "mount" ? { MountVolume: {} } : { BlockVolume: {} }),
    },
    Availability: flags.availability,
    CapacityRange: { RequiredBytes: flags["required-bytes"], LimitBytes: flags["limit-bytes"] },
    Secrets: Object.entries(flags.secret)
      .map(([Key, Secret]) => ({ Key, Secret }))
      .sort((a, b) => (a.Key < b.Key ? -1 : 1)),
    AccessibilityRequirements: {
      Requisite: topology(flags["topology-required"]),
      Preferred: topology(flags["topology-preferred"]),
    },
  };
}
