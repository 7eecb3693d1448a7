import { bool } from "../../../lib/flags/spec.ts";
import { defineCommand, noArgs } from "../../command.ts";
import { confirm } from "../../confirm.ts";
import { filterFlag, withPruneFilters } from "../../filters.ts";
import { previewPrune } from "../../prune-preview.ts";
import { printReport, pruneImages } from "../../prune.ts";

export const command = defineCommand({
  operands: "[OPTIONS]",
  arity: noArgs,
  flags: {
    all: bool("Remove all unused images, not just dangling ones", { short: "a" }),
    filter: filterFlag('Provide filter values (e.g. "until=<timestamp>")'),
    force: bool("Do not prompt for confirmation", { short: "f" }),
  },
  async run(session, { flags }) {
    const filters = withPruneFilters(flags.filter, (await session.config()).pruneFilters);
    if (!flags.force) {
      const dangling = { ...filters, dangling: [String(!flags.all)] };
      await previewPrune(session, [{ kind: "images", filters: dangling }]);
      const what = flags.all
        ? "all images without at least one container associated to them"
        : "all dangling images";
      await confirm(`WARNING! This will remove ${what}.\nAre you sure you want to continue?`);
    }
    printReport(await pruneImages(await session.client(), filters, { all: flags.all }));
  },
});
