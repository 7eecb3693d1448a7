import { systemDataUsage } from "../../../api/operations/system.ts";
import type { DiskUsage } from "../../../api/schemas/system.ts";
import { bool, string } from "../../../lib/flags/spec.ts";
import { humanSize } from "../../../lib/units/size.ts";
import { defineCommand, noArgs } from "../../command.ts";
import { complain } from "../../failure.ts";
import { buildCacheBytes, usageColumns, usageLines, usageTable } from "../../format/disk-usage.ts";
import { printList, renderList } from "../../format/list.ts";
import { formatUsage } from "../../format/usage.ts";
import type { AnyVolume } from "../../format/volume.ts";
import { print } from "../../output.ts";

const raw = `type: {{.Type}}
total: {{.TotalCount}}
active: {{.Active}}
size: {{.Size}}
reclaimable: {{.Reclaimable}}
`;

export const command = defineCommand({
  operands: "[OPTIONS]",
  arity: noArgs,
  flags: {
    format: string(formatUsage),
    verbose: bool("Show detailed information on space usage", { short: "v" }),
  },
  async run(session, { flags }) {
    const client = await session.client();
    const usage = await client.call(systemDataUsage, {});
    if (!flags.verbose) {
      const given = flags.format === "" || flags.format === "table" ? usageTable : flags.format;
      await printList(usageColumns, usageLines(usage), {
        format: given === "raw" ? raw : given,
        isTruncated: true,
      });
      return;
    }
    if (flags.format !== "" && flags.format !== "table") {
      throw complain("--format with --verbose is only supported for tables");
    }
    print(await verboseTables(usage));
  },
});

async function verboseTables(usage: DiskUsage): Promise<string> {
  const [{ imageColumns, isDangling }, { containerColumns }, { volumeColumns }, { buildCacheColumns }] =
    await Promise.all([
      import("../../format/image.ts"),
      import("../../format/container.ts"),
      import("../../format/volume.ts"),
      import("../../format/build-cache.ts"),
    ]);
  const images = (usage.Images ?? []).map((image) => {
    const [name = ""] = image.RepoTags ?? [];
    const colon = name.lastIndexOf(":");
    const isNamed = name !== "" && !isDangling(image) && colon > 0;
    return {
      image,
      repository: isNamed ? name.slice(0, colon) : "<none>",
      tag: isNamed ? name.slice(colon + 1) : "<none>",
      digest: "",
    };
  });
  // The size of a container's image is the image's business here.
  const containers = (usage.Containers ?? []).map((container) => ({ ...container, SizeRootFs: 0 }));
  const tables = [
    "Images space usage:\n\n",
    await renderList(imageColumns, images, {
      format:
        "table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}\t{{.SharedSize}}\t{{.UniqueSize}}\t{{.Containers}}",
      isTruncated: true,
    }),
    "\nContainers space usage:\n\n",
    await renderList(containerColumns, containers, {
      format:
        "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t{{.Size}}\t{{.RunningFor}}\t{{.Status}}\t{{.Names}}",
      isTruncated: true,
    }),
    "\nLocal Volumes space usage:\n\n",
    await renderList(volumeColumns, (usage.Volumes ?? []) as AnyVolume[], {
      format: "table {{.Name}}\t{{.Links}}\t{{.Size}}",
      isTruncated: true,
    }),
    `\nBuild cache usage: ${humanSize(buildCacheBytes(usage))}\n\n`,
    await renderList(buildCacheColumns, usage.BuildCache ?? [], {
      format:
        "table {{.ID}}\t{{.CacheType}}\t{{.Size}}\t{{.CreatedSince}}\t{{.LastUsedSince}}\t{{.UsageCount}}\t{{.Shared}}",
      isTruncated: true,
    }),
  ];
  return tables.join("");
}
