import { bool } from "../../../lib/flags/spec.ts";
import { defineCommand, noArgs } from "../../command.ts";
import { confirm } from "../../confirm.ts";
import { filterFlag, withPruneFilters } from "../../filters.ts";
import { previewPrune } from "../../prune-preview.ts";
import { printReport, pruneContainers } from "../../prune.ts";

export const command = defineCommand({
  operands: "[OPTIONS]",
  arity: noArgs,
  flags: {
    filter: filterFlag('Provide filter values (e.g. "until=<timestamp>")'),
    force: bool("Do not prompt for confirmation", { short: "f" }),
  },
  async run(session, { flags }) {
    const filters = withPruneFilters(flags.filter, (await session.config()).pruneFilters);
    if (!flags.force) {
      await previewPrune(session, [{ kind: "containers", filters }]);
      await confirm("WARNING! This will remove all stopped containers.\nAre you sure you want to continue?");
    }
    printReport(await pruneContainers(await session.client(), filters));
  },
});
