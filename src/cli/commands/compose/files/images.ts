import { imageInspect } from "../../../../api/operations/image.ts";
import { orNothing } from "../../../../compose/observe/observe.ts";
import { bool, string } from "../../../../lib/flags/spec.ts";
import { goJson } from "../../../../lib/json/go-json.ts";
import { layoutTabs } from "../../../../lib/term/tabwriter.ts";
import { humanDuration } from "../../../../lib/units/duration.ts";
import { humanSize } from "../../../../lib/units/size.ts";
import { parseReference } from "../../../../oci/reference.ts";
import { anyArgs } from "../../../command.ts";
import { print } from "../../../output.ts";
import { defineComposeCommand } from "../define.ts";

export const command = defineComposeCommand({
  operands: "[OPTIONS] [SERVICE...]",
  arity: anyArgs,
  flags: {
    format: string("Format the output. Values: [table | json]", { initial: "table" }),
    quiet: bool("Only display IDs", { short: "q" }),
  },
  async run(compose, { flags, args }) {
    const { containersOf } = await import("../../../../compose/execute/act.ts");
    const { containers } = await compose.target(args);
    const client = await compose.client();
    const rows = await Promise.all(
      containersOf(containers, args).map(async ({ name, summary }) => {
        const image = await orNothing(client.call(imageInspect, { name: summary.ImageID }));
        const { repository, tag } = split(image?.RepoTags[0] ?? summary.Image);
        return {
          ID: summary.ImageID,
          ContainerName: name,
          Repository: repository,
          Tag: tag,
          Platform:
            image === undefined
              ? ""
              : [image.Os, image.Architecture, image.Variant].filter(Boolean).join("/"),
          Size: image?.Size ?? 0,
          Created: image?.Created,
          LastTagTime: image?.Metadata?.LastTagTime,
        };
      }),
    );
    const shortId = (id: string): string => id.replace(/^sha256:/, "").slice(0, 12);
    if (flags.quiet) print([...new Set(rows.map(({ ID }) => `${ID.replace(/^sha256:/, "")}\n`))].join(""));
    else if (flags.format === "json") print(`${goJson(rows)}\n`);
    else {
      const lines = rows.map((row) =>
        [
          row.ContainerName,
          row.Repository,
          row.Tag,
          row.Platform,
          shortId(row.ID),
          humanSize(row.Size, 3),
          row.Created === undefined
            ? "N/A"
            : `${humanDuration((Date.now() - Date.parse(row.Created)) * 1e6)} ago`,
        ].join("\t"),
      );
      const head = "CONTAINER\tREPOSITORY\tTAG\tPLATFORM\tIMAGE ID\tSIZE\tCREATED";
      print(layoutTabs(`${[head, ...lines].join("\n")}\n`, { minWidth: 20, padding: 3 }));
    }
  },
});

function split(image: string): { repository: string; tag: string } {
  try {
    const { domain, path, tag } = parseReference(image);
    const short = domain === "docker.io" ? path.replace(/^library\//, "") : `${domain}/${path}`;
    return { repository: short, tag: tag ?? "<none>" };
  } catch {
    // ignored: the image has lost its name
    return { repository: "<none>", tag: "<none>" };
  }
}
