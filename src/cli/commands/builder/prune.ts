import { bool } from "../../../lib/flags/spec.ts";
import { defineCommand, noArgs } from "../../command.ts";
import { confirm } from "../../confirm.ts";
import { filterFlag, withPruneFilters } from "../../filters.ts";
import { bytesFlag } from "../../options/values.ts";
import { printReport, pruneBuildCache } from "../../prune.ts";

export const command = defineCommand({
  operands: "",
  arity: noArgs,
  flags: {
    all: bool("Remove all unused build cache, not just dangling ones", { short: "a" }),
    filter: filterFlag('Provide filter values (e.g. "until=24h")'),
    force: bool("Do not prompt for confirmation", { short: "f" }),
    "keep-storage": bytesFlag("Amount of disk space to keep for cache"),
    "max-used-space": bytesFlag("Maximum amount of disk space allowed to keep for cache"),
    "min-free-space": bytesFlag("Target amount of free disk space after pruning"),
    "reserved-space": bytesFlag("Amount of disk space always allowed to keep for cache"),
  },
  async run(session, { flags }) {
    const filters = withPruneFilters(flags.filter, (await session.config()).pruneFilters);
    if (!flags.force) {
      const what = flags.all ? "all build cache" : "all dangling build cache";
      await confirm(`WARNING! This will remove ${what}. Are you sure you want to continue?`);
    }
    const options = {
      all: flags.all,
      keepStorage: flags["keep-storage"],
      maxUsedSpace: flags["max-used-space"],
      minFreeSpace: flags["min-free-space"],
      reservedSpace: flags["reserved-space"],
    };
    printReport(await pruneBuildCache(await session.client(), filters, options));
  },
});
