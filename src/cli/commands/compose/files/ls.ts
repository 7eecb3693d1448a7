// `compose ls`: the projects that there are, found by the labels of their containers.

import { containerList } from "../../../../api/operations/container.ts";
import type { ContainerSummary } from "../../../../api/schemas/container.ts";
import { label } from "../../../../compose/observe/labels.ts";
import { bool, list, string } from "../../../../lib/flags/spec.ts";
import { goJson } from "../../../../lib/json/go-json.ts";
import { layoutTabs } from "../../../../lib/term/tabwriter.ts";
import { noArgs } from "../../../command.ts";
import { complain } from "../../../failure.ts";
import { print } from "../../../output.ts";
import { defineComposeCommand } from "../define.ts";

export const command = defineComposeCommand({
  operands: "[OPTIONS]",
  arity: noArgs,
  flags: {
    all: bool("Show all stopped Compose projects", { short: "a" }),
    filter: list("Filter output based on conditions provided", { type: "filter" }),
    format: string("Format the output. Values: [table | json]", { initial: "table" }),
    quiet: bool("Only display project names", { short: "q" }),
  },
  async run(compose, { flags }) {
    const client = await compose.client();
    const containers = await client.call(containerList, { all: true, filters: { label: [label.project] } });
    const names = flags.filter.map((text) => {
      const match = /^name=(.*)$/.exec(text);
      if (match === null) throw complain(`invalid filter ${JSON.stringify(text.split("=", 1)[0])}`);
      return new RegExp(match[1] as string);
    });
    const shown = flags.all ? containers : containers.filter(({ State }) => State === "running");
    const projects = Map.groupBy(shown, ({ Labels }) => Labels[label.project] ?? "");
    const rows = [...projects]
      .filter(([name]) => names.every((pattern) => pattern.test(name)))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([Name, own]) => ({ Name, Status: statusOf(own), ConfigFiles: filesOf(own) }));
    if (flags.quiet) print(rows.map(({ Name }) => `${Name}\n`).join(""));
    else if (flags.format === "json") print(`${goJson(rows)}\n`);
    else {
      const lines = rows.map(({ Name, Status, ConfigFiles }) => `${Name}\t${Status}\t${ConfigFiles}\n`);
      print(layoutTabs(`NAME\tSTATUS\tCONFIG FILES\n${lines.join("")}`, { minWidth: 20, padding: 3 }));
    }
  },
});

/** `exited(1), running(2)`. */
function statusOf(containers: readonly ContainerSummary[]): string {
  const states = Map.groupBy(containers, ({ State }) => State);
  return [...states]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([state, own]) => `${state}(${own.length})`)
    .join(", ");
}

function filesOf(containers: readonly ContainerSummary[]): string {
  const files = containers.flatMap(({ Labels }) => (Labels[label.configFiles] ?? "N/A").split(","));
  return [...new Set(files)].join(",");
}
