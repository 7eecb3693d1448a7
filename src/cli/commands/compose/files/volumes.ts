import { volumeList } from "../../../../api/operations/volume.ts";
import { ofProject } from "../../../../compose/observe/observe.ts";
import { bool, string } from "../../../../lib/flags/spec.ts";
import { anyArgs } from "../../../command.ts";
import { printList } from "../../../format/list.ts";
import { formatUsage } from "../../../format/usage.ts";
import { type AnyVolume, volumeColumns } from "../../../format/volume.ts";
import { print } from "../../../output.ts";
import { defineComposeCommand } from "../define.ts";

export const command = defineComposeCommand({
  operands: "[OPTIONS] [SERVICE...]",
  arity: anyArgs,
  flags: {
    format: string(formatUsage, { initial: "table" }),
    quiet: bool("Only display volume names", { short: "q" }),
  },
  async run(compose, { flags, args }) {
    const { project } = await compose.target(args);
    const client = await compose.client();
    const all = (await client.call(volumeList, { filters: ofProject(project.name) })).Volumes ?? [];
    const services = args.map((name) => project.services[name]);
    const used = new Set(
      services.flatMap((service) =>
        (service?.volumes ?? []).map(({ source = "" }) => project.volumes[source]?.name),
      ),
    );
    const volumes = all.filter(({ Name }) => args.length === 0 || used.has(Name));
    if (flags.quiet) print(volumes.map(({ Name }) => `${Name}\n`).join(""));
    else {
      const format = flags.format === "table" ? "table {{.Driver}}\t{{.Name}}" : flags.format;
      await printList(volumeColumns, volumes as readonly AnyVolume[], { format, isTruncated: true });
    }
  },
});
