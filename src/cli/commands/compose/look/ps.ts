// `compose ps`: a project's containers as a table, as JSON or by a template.

import { ownName } from "../../../../api/container-name.ts";
import type { ContainerSummary } from "../../../../api/schemas/container.ts";
import { label } from "../../../../compose/observe/labels.ts";
import { bool, type FlagValues, list, string } from "../../../../lib/flags/spec.ts";
import { goJson } from "../../../../lib/json/go-json.ts";
import { GoStruct } from "../../../../template/values.ts";
import { anyArgs } from "../../../command.ts";
import { complain } from "../../../failure.ts";
import { containerColumns } from "../../../format/container.ts";
import { type Formatter, printList } from "../../../format/list.ts";
import { formatUsage } from "../../../format/usage.ts";
import { print } from "../../../output.ts";
import { defineComposeCommand } from "../define.ts";

const columns: Formatter<ContainerSummary> = {
  ...containerColumns,
  type: "*formatter.ContainerContext",
  headers: {
    ...containerColumns.headers,
    Name: "NAME",
    Service: "SERVICE",
    Project: "PROJECT",
    ExitCode: "EXIT CODE",
    Health: "HEALTH",
    Publishers: "PUBLISHERS",
  },
  notText: [...(containerColumns.notText ?? []), "Publishers", "ExitCode"],
  fields: {
    ...containerColumns.fields,
    ExitCode: exitCode,
    Health: health,
    Name: ({ Names }) => ownName(Names),
    Project: ({ Labels }) => Labels[label.project] ?? "",
    Publishers: (summary) =>
      publishers(summary).map((port) => new GoStruct("api.PortPublisher", new Map(Object.entries(port)))),
    Service: ({ Labels }) => Labels[label.service] ?? "",
  },
};

const table =
  "table {{.Name}}\t{{.Image}}\t{{.Command}}\t{{.Service}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}";
const states = ["paused", "restarting", "removing", "running", "dead", "created", "exited"];

const flags = {
  all: bool("Show all stopped containers (including those created by the run command)", { short: "a" }),
  filter: string("Filter services by a property (supported filters: status)"),
  format: string(formatUsage, { initial: "table" }),
  "no-trunc": bool("Don't truncate output"),
  orphans: bool("Include orphaned services (not declared by project)", { initial: true }),
  quiet: bool("Only display IDs", { short: "q" }),
  services: bool("Display services"),
  status: list(`Filter services by status. Values: [${states.join(" | ")}]`, { type: "stringArray" }),
};

export const command = defineComposeCommand({
  operands: "[OPTIONS] [SERVICE...]",
  arity: anyArgs,
  flags,
  async run(compose, { flags, args, given }) {
    const psFormat = (await compose.session.config()).psFormat ?? "";
    const format = given.has("format") || psFormat === "" ? flags.format : psFormat;
    const wanted = statesOf(flags);
    const { project, containers } = await compose.target(args);
    const shown = containers
      .filter(({ service, isOneOff, state }) => {
        if (args.length > 0 && !args.includes(service)) return false;
        if (!flags.orphans && !Object.hasOwn(project.services, service)) return false;
        if (wanted.length > 0) return wanted.includes(state);
        return flags.all || (!isOneOff && state !== "exited" && state !== "created" && state !== "dead");
      })
      .map(({ summary }) => summary)
      .sort((a, b) => (ownName(a.Names) < ownName(b.Names) ? -1 : 1));
    if (flags.quiet) print(shown.map(({ Id }) => `${Id}\n`).join(""));
    else if (flags.services)
      print([...new Set(shown.map(({ Labels }) => `${Labels[label.service]}\n`))].join(""));
    else if (format === "json") print(shown.map((summary) => `${goJson(asJson(summary))}\n`).join(""));
    else {
      const shape = format === "table" ? table : format;
      await printList(columns, shown, { format: shape, isTruncated: !flags["no-trunc"] });
    }
  },
});

function statesOf({ filter, status }: FlagValues<typeof flags>): string[] {
  const wanted = [...status];
  if (filter !== "") {
    const [key, value] = filter.split("=");
    if (key !== "status" || value === undefined)
      throw complain(
        value === undefined ? "arguments to --filter should be in form KEY=VAL" : `unknown filter ${key}`,
      );
    wanted.push(value);
  }
  for (const state of wanted)
    if (!states.includes(state)) throw complain(`invalid status ${JSON.stringify(state)}`);
  return wanted;
}

function exitCode({ Status }: ContainerSummary): number {
  return Number(/^Exited \((\d+)\)/.exec(Status)?.[1] ?? 0);
}

function health({ Status, Health }: ContainerSummary): string {
  if (Health !== undefined) return Health.Status === "none" ? "" : Health.Status;
  const text = /\((?:health: )?(healthy|unhealthy|starting)\)/.exec(Status)?.[1];
  return text ?? "";
}

function publishers({ Ports }: ContainerSummary): object[] {
  return (Ports ?? []).map(({ IP = "", PrivatePort, PublicPort = 0, Type }) => ({
    URL: IP,
    TargetPort: PrivatePort,
    PublishedPort: PublicPort,
    Protocol: Type,
  }));
}

function asJson(summary: ContainerSummary): Record<string, unknown> {
  const view = { isTruncated: true };
  const field = (name: string): unknown =>
    name === "Publishers" ? publishers(summary) : columns.fields[name]?.(summary, view);
  const names = [
    "Command",
    "CreatedAt",
    "ExitCode",
    "Health",
    "ID",
    "Image",
    "Labels",
    "LocalVolumes",
    "Mounts",
    "Name",
    "Names",
    "Networks",
    "Ports",
    "Project",
    "Publishers",
    "RunningFor",
    "Service",
    "Size",
    "State",
    "Status",
  ];
  return Object.fromEntries(names.map((name) => [name, field(name)]));
}
