// `info`: what the daemon says of itself, line by line as Docker prints it, or through a template.

import { systemInfo } from "../../../api/operations/system.ts";
import type { SystemInfo } from "../../../api/schemas/system.ts";
import { messageOf } from "../../../lib/errors.ts";
import { string } from "../../../lib/flags/spec.ts";
import { defineCommand, noArgs } from "../../command.ts";
import { HUB_SERVER } from "../../config/credentials.ts";
import { describeFailure, exitWith, isUnreachable } from "../../failure.ts";
import { infoLines } from "../../format/info.ts";
import { inspectFormatUsage } from "../../format/usage.ts";
import { print, printError } from "../../output.ts";
import { listPlugins, type Plugin, pluginDirs } from "../../plugins/plugins.ts";
import type { Session } from "../../session.ts";
import { type ClientVersion, clientVersion } from "./version.ts";

export const command = defineCommand({
  operands: "[OPTIONS]",
  arity: noArgs,
  flags: { format: string(inspectFormatUsage, { short: "f" }) },
  async run(session, { flags }) {
    await session.endpoint(); // whoever is to be asked has to be known before anything is said
    let info: SystemInfo | undefined;
    let failure: unknown;
    try {
      info = await (await session.client()).call(systemInfo, {});
    } catch (error) {
      failure = error;
    }
    const client = await clientVersion(session, false);
    const plugins = await listPlugins(pluginDirs(session.globals.config, await session.config()));
    if (flags.format !== "") {
      const text = await renderTemplate(flags.format, {
        info,
        client,
        plugins,
        failure,
        isDebug: session.globals.debug,
      });
      print(`${text}\n`);
      if (failure !== undefined) throw failure;
      return;
    }
    print(clientText(client, plugins, session.globals.debug));
    for (const { Path, Err } of plugins)
      if (Err !== undefined) printError(`WARNING: Plugin ${JSON.stringify(Path)} is not valid: ${Err}\n`);
    print("\nServer:\n");
    if (info !== undefined) {
      print(infoLines(info, { isDebug: session.globals.debug, userName: await hubUser(session) }));
      for (const warning of info.Warnings ?? []) printError(`${warning}\n`);
    }
    if (failure === undefined) return;
    if (isUnreachable(failure)) throw failure;
    printError(`ERROR: ${describeFailure(failure)}\n`);
    throw exitWith(1, "errors pretty printing info");
  },
});

function clientText(client: ClientVersion, plugins: readonly Plugin[], isDebug: boolean): string {
  const valid = plugins.filter((plugin) => plugin.Err === undefined).map(pluginText);
  const list = valid.length === 0 ? "" : ` Plugins:\n${valid.join("")}`;
  return `${`Client: ${client.Platform.Name}`.trimEnd()}\n Version:    ${client.Version}\n Context:    ${client.Context}\n Debug Mode: ${isDebug}\n${list}`;
}

function pluginText({ Name, Path, ShortDescription = "", Vendor = "", Version = "" }: Plugin): string {
  const version = Version === "" ? "" : `    Version:  ${Version}\n`;
  return `  ${Name}: ${ShortDescription} (${Vendor})\n${version}    Path:     ${Path}\n`;
}

async function hubUser(session: Session): Promise<string> {
  const auth = (await session.config()).auths?.[HUB_SERVER]?.auth ?? "";
  return Buffer.from(auth, "base64").toString().split(":", 1)[0] ?? "";
}

interface TemplateInput {
  readonly info: SystemInfo | undefined;
  readonly client: ClientVersion;
  readonly plugins: readonly Plugin[];
  readonly failure: unknown;
  readonly isDebug: boolean;
}

async function renderTemplate(
  format: string,
  { info, client, plugins, failure, isDebug }: TemplateInput,
): Promise<string> {
  const [{ Template }, { goValue }, { GoStruct }, { systemInfo: schema }] = await Promise.all([
    import("../../../template/template.ts"),
    import("../../format/go-value.ts"),
    import("../../../template/values.ts"),
    import("../../../api/schemas/system.ts"),
  ]);
  const server = goValue(schema, info ?? {}) as InstanceType<typeof GoStruct>;
  const clientInfo = { Debug: isDebug, ...client, Plugins: plugins, Warnings: null };
  const errors = failure === undefined ? {} : { ServerErrors: [describeFailure(failure)] };
  const all = new Map<string, unknown>([
    ...server.fields,
    ["ClientInfo", clientInfo],
    ["ServerErrors", errors.ServerErrors ?? []],
  ]);
  const encode = () => {
    const own = server.encode?.() as InstanceType<typeof GoStruct>;
    const extra = Object.entries({ ...errors, ClientInfo: clientInfo });
    return new GoStruct("system.dockerInfo", new Map<string, unknown>([...own.fields, ...extra]));
  };
  let template: InstanceType<typeof Template>;
  try {
    template = new Template(format === "json" ? "{{json .}}" : format);
  } catch (error) {
    throw exitWith(64, `template parsing error: ${messageOf(error)}`);
  }
  try {
    return template.execute(new GoStruct("system.dockerInfo", all, {}, encode));
  } catch (error) {
    // compat: Docker ends the line before it tells of the mistake.
    print("\n");
    throw error;
  }
}
