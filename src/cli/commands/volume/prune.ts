import { bool } from "../../../lib/flags/spec.ts";
import { defineCommand, noArgs } from "../../command.ts";
import { confirm } from "../../confirm.ts";
import { filterFlag, withPruneFilters } from "../../filters.ts";
import { complain } from "../../failure.ts";
import { previewPrune } from "../../prune-preview.ts";
import { printReport, pruneVolumes } from "../../prune.ts";

export const command = defineCommand({
  operands: "[OPTIONS]",
  arity: noArgs,
  flags: {
    all: bool("Remove all unused volumes, not just anonymous ones", { short: "a", since: "1.42" }),
    filter: filterFlag('Provide filter values (e.g. "label=<label>")'),
    force: bool("Do not prompt for confirmation", { short: "f" }),
  },
  async run(session, { flags }) {
    const filters = withPruneFilters(flags.filter, (await session.config()).pruneFilters);
    if (flags.all && filters["all"] !== undefined) {
      throw complain("conflicting options: cannot specify both --all and --filter all=1");
    }
    const wanted = flags.all ? { ...filters, all: ["true"] } : filters;
    if (!flags.force) {
      await previewPrune(session, [{ kind: "volumes", filters: wanted }]);
      const what = flags.all ? "all local volumes" : "anonymous local volumes";
      await confirm(
        `WARNING! This will remove ${what} not used by at least one container.\nAre you sure you want to continue?`,
      );
    }
    printReport(await pruneVolumes(await session.client(), wanted));
  },
});
