import { bool } from "../../../lib/flags/spec.ts";
import { defineCommand, noArgs } from "../../command.ts";
import { confirm } from "../../confirm.ts";
import { filterFlag, withPruneFilters } from "../../filters.ts";
import { print } from "../../output.ts";
import { previewPrune } from "../../prune-preview.ts";
import { pruneNetworks } from "../../prune.ts";

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
      await previewPrune(session, [{ kind: "networks", filters }]);
      await confirm(
        "WARNING! This will remove all custom networks not used by at least one container.\nAre you sure you want to continue?",
      );
    }
    const { text } = await pruneNetworks(await session.client(), filters);
    if (text !== "") print(`${text}\n`);
  },
});
