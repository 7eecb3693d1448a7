// `version`: this client's and the daemon's, as Docker lays them out.

import { systemVersion } from "../../../api/operations/system.ts";
import { messageOf } from "../../../lib/errors.ts";
import { string } from "../../../lib/flags/spec.ts";
import { layoutTabs } from "../../../lib/term/tabwriter.ts";
import { defineCommand, noArgs } from "../../command.ts";
import { CLIENT_API_VERSION, resolveContextName } from "../../config/endpoint.ts";
import { exitWith } from "../../failure.ts";
import { inspectFormatUsage } from "../../format/usage.ts";
import { print } from "../../output.ts";
import type { Session } from "../../session.ts";
import { BERTH_COMMIT, BERTH_VERSION } from "../../../lib/version.ts";

export interface ClientVersion {
  readonly Platform: { readonly Name: string };
  readonly Version: string;
  readonly GitCommit: string;
  readonly ApiVersion: string;
  readonly DefaultAPIVersion: string;
  readonly Os: string;
  readonly Arch: string;
  readonly Context: string;
}

type ServerVersion = Awaited<ReturnType<typeof readServer>>;

export const command = defineCommand({
  operands: "[OPTIONS]",
  arity: noArgs,
  flags: { format: string(inspectFormatUsage, { short: "f" }) },
  async run(session, { flags }) {
    const template = flags.format === "" ? undefined : await parseTemplate(flags.format);
    await session.endpoint(); // whoever is to be asked has to be known before anything is said
    let server: ServerVersion | undefined;
    let failure: unknown;
    try {
      server = await readServer(session);
    } catch (error) {
      failure = error;
    }
    const client = await clientVersion(session, failure === undefined);
    if (template === undefined) print(layoutTabs(plainText(client, server), { minWidth: 20, padding: 1 }));
    else print(`${await template(client, server)}\n`);
    if (failure !== undefined) throw failure;
  },
});

async function readServer(session: Session) {
  const client = await session.client();
  const version = await client.call(systemVersion, {});
  // Older daemons only speak of themselves.
  const engine = {
    Name: "Engine",
    Version: version.Version,
    Details: {
      ApiVersion: version.ApiVersion,
      MinAPIVersion: version.MinAPIVersion,
      GitCommit: version.GitCommit,
      GoVersion: version.GoVersion,
      Os: version.Os,
      Arch: version.Arch,
      BuildTime: version.BuildTime ?? "",
      Experimental: String(version.Experimental ?? false),
    },
  };
  const listed = version.Components ?? [];
  const components = listed.some(({ Name }) => Name === "Engine") ? listed : [...listed, engine];
  const dated = components.map((component) => {
    const built = component.Details?.["BuildTime"];
    if (component.Name !== "Engine" || built === undefined) return component;
    return { ...component, Details: { ...component.Details, BuildTime: ansiDate(built) } };
  });
  return { ...version, Components: dated };
}

/** Turns an RFC 3339 time into the form of C's asctime; anything else stays as it is. */
function ansiDate(text: string): string {
  const ms = Date.parse(text);
  if (Number.isNaN(ms) || !/^\d{4}-/.test(text)) return text;
  const [day = ""] = new Date(ms).toUTCString().split(",");
  const [, date = "", month = "", year = "", time = ""] = new Date(ms).toUTCString().split(" ");
  return `${day} ${month} ${String(Number(date)).padStart(2)} ${time} ${year}`;
}

/** Describes this client; the API version is the one agreed upon when a daemon answered. */
export async function clientVersion(session: Session, isConnected: boolean): Promise<ClientVersion> {
  const { globals } = session;
  const agreed = isConnected ? await session.apiVersion() : undefined;
  return {
    // compat: Docker's own builds name no platform; scripts look for the bare line.
    Platform: { Name: session.program === "docker" ? "" : "Berth" },
    Version: BERTH_VERSION,
    GitCommit: BERTH_COMMIT,
    ApiVersion: agreed ?? CLIENT_API_VERSION,
    DefaultAPIVersion: CLIENT_API_VERSION,
    Os: "linux",
    Arch: process.arch === "x64" ? "amd64" : process.arch,
    Context: await resolveContextName({ globals, given: new Set(), config: () => session.config() }),
  };
}

function plainText(client: ClientVersion, server: ServerVersion | undefined): string {
  const downgraded =
    client.ApiVersion === client.DefaultAPIVersion ? "" : ` (downgraded from ${client.DefaultAPIVersion})`;
  const lines = [
    `Client: ${client.Platform.Name}`.trimEnd(),
    ` Version:\t${client.Version}`,
    ` API version:\t${client.ApiVersion}${downgraded}`,
    ` Git commit:\t${client.GitCommit}`,
    ` OS/Arch:\t${client.Os}/${client.Arch}`,
    ` Context:\t${client.Context}`,
  ];
  if (server === undefined) return `${lines.join("\n")}\n`;
  const platform = server.Platform?.Name ?? "";
  lines.push("", platform === "" ? "Server:" : `Server: ${platform}`);
  for (const component of server.Components) lines.push(...componentLines(component));
  return `${lines.join("\n")}\n`;
}

function componentLines({ Name, Version, Details = {} }: ServerVersion["Components"][number]): string[] {
  const details: Readonly<Record<string, string>> = Details;
  const detail = (key: string): string => details[key] ?? "";
  if (Name !== "Engine") {
    const rest = Object.keys(Details)
      .sort()
      .map((key) => `  ${key}:\t${detail(key)}`);
    return [` ${Name}:`, `  Version:\t${Version}`, ...rest];
  }
  return [
    ` ${Name}:`,
    `  Version:\t${Version}`,
    `  API version:\t${detail("ApiVersion")} (minimum version ${detail("MinAPIVersion")})`,
    `  Go version:\t${detail("GoVersion")}`,
    `  Git commit:\t${detail("GitCommit")}`,
    `  Built:\t${detail("BuildTime")}`,
    `  OS/Arch:\t${detail("Os")}/${detail("Arch")}`,
    `  Experimental:\t${detail("Experimental")}`,
  ];
}

type Render = (client: ClientVersion, server: ServerVersion | undefined) => Promise<string>;

async function parseTemplate(format: string): Promise<Render> {
  const [{ Template }, { goValue }, { GoNil, GoStruct }] = await Promise.all([
    import("../../../template/template.ts"),
    import("../../format/go-value.ts"),
    import("../../../template/values.ts"),
  ]);
  let template: InstanceType<typeof Template>;
  try {
    template = new Template(format === "json" ? "{{json .}}" : format, { name: "version" });
  } catch (error) {
    throw exitWith(64, `template parsing error: ${messageOf(error)}`);
  }
  return async (client, server) => {
    const { systemVersion: schema } = await import("../../../api/schemas/system.ts");
    const { Platform, ApiVersion, ...rest } = client;
    const fields = new Map<string, unknown>([
      ["Platform", new GoStruct("*system.platformInfo", new Map(Object.entries(Platform)))],
      ["APIVersion", ApiVersion],
      ...["GoVersion", "BuildTime"].map((name) => [name, ""] as const),
      ...Object.entries(rest),
    ]);
    const clientValue = new GoStruct("system.clientVersion", fields, {}, () => client);
    const serverValue =
      server === undefined
        ? new GoNil("*types.Version", Object.keys(schema.fields))
        : goValue({ kind: "optional", of: schema }, server);
    const both = new Map([
      ["Client", clientValue],
      ["Server", serverValue],
    ]);
    try {
      return template.execute(new GoStruct("system.versionInfo", both));
    } catch (error) {
      // compat: Docker ends the line before it tells of the mistake.
      print("\n");
      throw error;
    }
  };
}
