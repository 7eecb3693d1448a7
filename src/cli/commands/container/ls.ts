import { containerList } from "../../../api/operations/container.ts";
import { Fault, messageOf } from "../../../lib/errors.ts";
import { bool, int, string } from "../../../lib/flags/spec.ts";
import { defineCommand, noArgs } from "../../command.ts";
import { filterFlag } from "../../filters.ts";
import { containerColumns, containerFormat } from "../../format/container.ts";
import { contextOf, printList } from "../../format/list.ts";
import { formatUsage } from "../../format/usage.ts";
import { printError } from "../../output.ts";

export const command = defineCommand({
  operands: "[OPTIONS]",
  arity: noArgs,
  flags: {
    all: bool("Show all containers (default shows just running)", { short: "a" }),
    filter: filterFlag("Filter output based on conditions provided", { short: "f" }),
    format: string(formatUsage),
    last: int("Show n last created containers (includes all states)", { short: "n", initial: -1 }),
    latest: bool("Show the latest created container (includes all states)", { short: "l" }),
    "no-trunc": bool("Don't truncate output"),
    quiet: bool("Only display container IDs", { short: "q" }),
    size: bool("Display total file sizes", { short: "s" }),
  },
  async run(session, { flags, given }) {
    if (flags.format !== "" && flags.quiet) {
      printError("WARNING: Ignoring custom format, because both --format and --quiet are set.\n");
    }
    const format = flags.format === "" ? ((await session.config()).psFormat ?? "") : flags.format;
    const needsSize = flags.format !== "" && (await checkFormat(flags.format));
    const size = flags.size || (needsSize && !flags.quiet && !given.has("size"));
    const limit = flags.latest && flags.last === -1 ? 1 : flags.last;
    const client = await session.client();
    const containers = await client.call(containerList, {
      all: flags.all,
      limit: limit > 0 ? limit : undefined,
      size,
      filters: flags.filter,
    });
    await printList(containerColumns, containers, {
      format: containerFormat(format, { isQuiet: flags.quiet, hasSize: size }),
      isTruncated: !flags["no-trunc"],
    });
  },
});

/** Tries the template on an empty container, so that mistakes show without any; tells whether it prints sizes. */
async function checkFormat(format: string): Promise<boolean> {
  const { Template } = await import("../../../template/template.ts");
  const values = await import("../../../template/values.ts");
  let usesSize = false;
  const { Size: size } = containerColumns.fields;
  const watched = {
    ...containerColumns,
    fields: {
      ...containerColumns.fields,
      Size: (...args: Parameters<NonNullable<typeof size>>) => {
        usesSize = true;
        return size?.(...args);
      },
    },
  };
  const fail = (what: string, error: unknown): Fault =>
    new Fault("invalidParameter", `failed to ${what} template: ${messageOf(error)}`, {
      code: "cli.template",
    });
  let template: InstanceType<typeof Template>;
  try {
    template = new Template(format);
  } catch (error) {
    throw fail("parse", error);
  }
  try {
    template.execute(contextOf(watched, emptyContainer, { isTruncated: false }, values));
  } catch (error) {
    throw fail("execute", error);
  }
  return usesSize;
}

const emptyContainer = {
  Id: "",
  Names: [],
  Image: "",
  ImageID: "",
  Command: "",
  Created: 0,
  Ports: [],
  Labels: {},
  State: "created" as const,
  Status: "",
  HostConfig: {},
  NetworkSettings: null,
  Mounts: [],
};
