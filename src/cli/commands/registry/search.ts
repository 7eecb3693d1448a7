import { imageSearch } from "../../../api/operations/image.ts";
import { bool, int, string } from "../../../lib/flags/spec.ts";
import { ellipsis } from "../../../lib/term/width.ts";
import { defineCommand, exactly } from "../../command.ts";
import { credentialsFor } from "../../config/credentials.ts";
import { filterFlag } from "../../filters.ts";
import { type Formatter, printList } from "../../format/list.ts";

interface Result {
  readonly name: string;
  readonly description: string;
  readonly star_count: number;
  readonly is_official: boolean;
  readonly is_automated: boolean;
}

const columns: Formatter<Result> = {
  type: "*registry.searchContext",
  headers: {
    Name: "NAME",
    Description: "DESCRIPTION",
    StarCount: "STARS",
    IsOfficial: "OFFICIAL",
    IsAutomated: "AUTOMATED",
  },
  fields: {
    Description: (result, view) => {
      const text = result.description.replaceAll("\n", " ").replaceAll("\r", " ");
      return view.isTruncated ? ellipsis(text, 45) : text;
    },
    IsAutomated: (result) => (result.is_automated ? "[OK]" : ""),
    IsOfficial: (result) => (result.is_official ? "[OK]" : ""),
    Name: (result) => result.name,
    StarCount: (result) => String(result.star_count),
  },
};

const table = "table {{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}";

export const command = defineCommand({
  operands: "[OPTIONS] TERM",
  arity: exactly(1),
  flags: {
    filter: filterFlag("Filter output based on conditions provided", { short: "f" }),
    format: string("Print search results using a Go template"),
    limit: int("Max number of search results"),
    "no-trunc": bool("Don't truncate output"),
  },
  async run(session, { args, flags }) {
    const [term = ""] = args;
    const client = await session.client();
    const registryAuth = credentialsFor(
      await session.config(),
      term.includes(".") ? (term.split("/", 1)[0] ?? "") : "",
    );
    const results = await client.call(imageSearch, {
      term,
      limit: flags.limit || undefined,
      filters: flags.filter,
      registryAuth,
    });
    const format = flags.format === "" || flags.format === "table" ? table : flags.format;
    await printList(columns, results ?? [], { format, isTruncated: !flags["no-trunc"] });
  },
});
