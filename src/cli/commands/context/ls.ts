import { bool, string } from "../../../lib/flags/spec.ts";
import { defineCommand, noArgs } from "../../command.ts";
import { environmentHost, resolveContextName } from "../../config/endpoint.ts";
import { defaultContext, listContexts } from "../../contexts/read.ts";
import { describeFailure } from "../../failure.ts";
import { type Formatter, printList } from "../../format/list.ts";
import { formatUsage } from "../../format/usage.ts";
import { naturally } from "../../natural-order.ts";
import { printError } from "../../output.ts";

interface Row {
  readonly name: string;
  readonly description: string;
  readonly host: string;
  readonly isCurrent: boolean;
  readonly error: string;
}

const columns: Formatter<Row> = {
  type: "*formatter.clientContextContext",
  headers: { Name: "NAME", Description: "DESCRIPTION", DockerEndpoint: "DOCKER ENDPOINT", Error: "ERROR" },
  notText: ["Current"],
  fields: {
    Current: (row) => row.isCurrent,
    Description: (row) => row.description,
    DockerEndpoint: (row) => row.host,
    Error: (row) => (row.error.length > 45 ? `${row.error.slice(0, 44)}…` : row.error),
    Name: (row) => row.name,
  },
};

const table = "table {{.Name}}{{if .Current}} *{{end}}\t{{.Description}}\t{{.DockerEndpoint}}\t{{.Error}}";

export const command = defineCommand({
  operands: "[OPTIONS]",
  arity: noArgs,
  flags: {
    format: string(formatUsage),
    quiet: bool("Only show context names", { short: "q" }),
  },
  async run(session, { flags }) {
    const { globals } = session;
    const current = await resolveContextName({ globals, given: new Set(), config: () => session.config() });
    const chosen = globals.host[0] ?? environmentHost();
    const contexts = [defaultContext(globals), ...listContexts(globals.config)];
    const rows: Row[] = contexts.map(({ meta, description, host }) => ({
      name: meta.Name,
      description,
      host,
      isCurrent: meta.Name === current,
      error: "",
    }));
    if (!rows.some((row) => row.isCurrent)) {
      const error = await session.endpoint().then(() => "", describeFailure);
      rows.push({ name: current, description: "", host: "", isCurrent: true, error });
    }
    const format = flags.quiet
      ? "{{.Name}}"
      : flags.format === "" || flags.format === "table"
        ? table
        : flags.format;
    await printList(
      columns,
      rows.sort((a, b) => naturally(a.name, b.name)),
      { format, isTruncated: false },
    );
    if (chosen !== undefined && globals.host.length === 0) {
      const variable = process.env["BERTH_HOST"] ? "BERTH_HOST" : "DOCKER_HOST";
      printError(
        `Warning: ${variable} environment variable overrides the active context. To use a context, either set the global --context flag, or unset ${variable} environment variable.\n`,
      );
    }
  },
});
