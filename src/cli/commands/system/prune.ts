import { bool } from "../../../lib/flags/spec.ts";
import { humanSize } from "../../../lib/units/size.ts";
import { defineCommand, noArgs } from "../../command.ts";
import { confirm } from "../../confirm.ts";
import { complain } from "../../failure.ts";
import { filterFlag, withPruneFilters } from "../../filters.ts";
import { print } from "../../output.ts";
import { previewPrune } from "../../prune-preview.ts";
import {
  pruneBuildCache,
  pruneContainers,
  pruneImages,
  pruneKept,
  pruneNetworks,
  pruneVolumes,
} from "../../prune.ts";

export const command = defineCommand({
  operands: "[OPTIONS]",
  arity: noArgs,
  flags: {
    all: bool("Remove all unused images not just dangling ones", { short: "a" }),
    filter: filterFlag('Provide filter values (e.g. "label=<key>=<value>")', { since: "1.28" }),
    force: bool("Do not prompt for confirmation", { short: "f" }),
    volumes: bool("Prune anonymous volumes"),
  },
  async run(session, { flags }) {
    const filters = withPruneFilters(flags.filter, (await session.config()).pruneFilters);
    if (flags.volumes && flags.filter["until"] !== undefined) {
      throw complain('ERROR: The "until" filter is not supported with "--volumes"');
    }
    if (!flags.force) {
      await previewPrune(session, [
        { kind: "containers", filters },
        { kind: "networks", filters },
        ...(flags.volumes ? [{ kind: "volumes", filters } as const] : []),
        { kind: "images", filters: { ...filters, dangling: [String(!flags.all)] } },
      ]);
      await confirm(question(flags.all, flags.volumes, filters));
    }
    const client = await session.client();
    const steps = [
      // What is removed now can be brought back; what was removed before gives its space.
      ...(session.program === "docker" ? [] : [() => pruneKept(client)]),
      () => pruneContainers(client, filters),
      () => pruneNetworks(client, filters),
      ...(flags.volumes ? [() => pruneVolumes(client, filters)] : []),
      () => pruneImages(client, filters, { all: flags.all }),
      () => pruneBuildCache(client, filters, { all: flags.all }),
    ];
    let spaceBytes = 0;
    for (const step of steps) {
      const report = await step();
      spaceBytes += report.spaceBytes;
      if (report.text !== "") print(`${report.text}\n`);
    }
    print(`Total reclaimed space: ${humanSize(spaceBytes)}\n`);
  },
});

function question(
  all: boolean,
  volumes: boolean,
  filters: Readonly<Record<string, readonly string[]>>,
): string {
  const items = [
    "all stopped containers",
    "all networks not used by at least one container",
    ...(volumes ? ["all anonymous volumes not used by at least one container"] : []),
    all ? "all images without at least one container associated to them" : "all dangling images",
    all ? "all build cache" : "unused build cache",
  ];
  const used = ["label", "label!", "until"].flatMap((name) =>
    (filters[name] ?? []).map((value) => `${name}=${value}`),
  );
  const filterText =
    used.length === 0
      ? ""
      : `\n  Items to be pruned will be filtered with:\n${used
          .sort()
          .map((text) => `  - ${text}\n`)
          .join("")}`;
  return `WARNING! This will remove:\n${items.map((item) => `  - ${item}\n`).join("")}${filterText}\nAre you sure you want to continue?`;
}
