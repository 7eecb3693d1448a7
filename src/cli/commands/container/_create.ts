// Creating a container for `create` and `run`: the id file, the image's pull when it is missing, warnings.

import type { Attached, Begun, Client } from "../../../api/client.ts";
import type { ArgumentsOf } from "../../../api/contract.ts";
import { containerCreate } from "../../../api/operations/container.ts";
import type { ContainerCreateResponse } from "../../../api/schemas/container.ts";
import { fs } from "../../../lib/builtins.ts";
import { Fault, messageOf } from "../../../lib/errors.ts";
import { compareVersions } from "../../config/endpoint.ts";
import { isNotFound } from "../../failure.ts";
import { errnoText } from "../../options/env.ts";
import { printError } from "../../output.ts";
import type { Session } from "../../session.ts";
import type { ApiSocket } from "./_api-socket.ts";
import type { CreateFlags, CreateRequest } from "./_create-request.ts";

function refuse(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "cli.create" });
}

/** Checks --pull. Throws a Fault with Docker's text. */
export function checkPull(pull: string): void {
  if (["always", "missing", "never", ""].includes(pull)) return;
  throw refuse(`invalid pull option: '${pull}': must be one of "always", "missing" or "never"`);
}

/** A container, and where that was asked for and the daemon does it, a connection over which it has begun. */
export interface Created {
  readonly id: string;
  readonly attached?: Attached;
}

export type CreateArguments = ArgumentsOf<typeof containerCreate>;
/** Asks the daemon for a container that it starts at once. */
export type Begin = (client: Client, asked: CreateArguments) => Promise<Begun<ContainerCreateResponse>>;

/** Creates the container, pulling its image as --pull says. */
export async function createContainer(
  session: Session,
  flags: CreateFlags,
  request: CreateRequest,
  begin?: Begin,
): Promise<Created> {
  refuseTrust(flags);
  const idFile = openIdFile(flags.cidfile);
  try {
    const created = await createOrPull(session, flags, request, begin);
    idFile.write(created.id);
    return created;
  } finally {
    idFile.close();
  }
}

/** Docker's content trust has ended with its notary servers: asking for it must not look as if it was had. */
function refuseTrust(flags: CreateFlags): void {
  if (!flags["disable-content-trust"])
    throw refuse(
      "content trust is not supported: run without --disable-content-trust=false and DOCKER_CONTENT_TRUST",
    );
}

async function createOrPull(
  session: Session,
  flags: CreateFlags,
  plain: CreateRequest,
  begin: Begin | undefined,
): Promise<Created> {
  const { Image: image } = plain.body;
  await checkImageName(String(image));
  const client = await session.client();
  const socket = await withSocket(session, flags, plain);
  await checkPlatform(flags.platform);
  const request = await withoutMac(session, await withProxies(session, client.host, socket.request));
  const create = async (): Promise<Created> => {
    const asked = { name: flags.name, platform: flags.platform, body: request.body };
    const begun = (await begin?.(client, asked)) ?? { value: await client.call(containerCreate, asked) };
    if ("attached" in begun) {
      warn(localDnsWarning(flags.dns));
      return begun;
    }
    const response = begun.value;
    const own = [await socket.finish(client, response.Id), localDnsWarning(flags.dns)];
    for (const warning of [...(response.Warnings ?? []), ...own]) warn(warning);
    return { id: response.Id };
  };
  if (flags.pull === "always") await pull(session, String(image), flags);
  try {
    return await create();
  } catch (error) {
    if (!isNotFound(error) || (flags.pull !== "missing" && flags.pull !== "")) throw error;
    const { parseIdOrReference, familiarString, withDefaultTag } = await import("../../../oci/reference.ts");
    const parsed = parseIdOrReference(String(image));
    if (parsed.kind === "id") throw error;
    if (!flags.quiet) {
      printError(`Unable to find image '${familiarString(withDefaultTag(parsed.reference))}' locally\n`);
    }
    await pull(session, String(image), flags);
    return create();
  }
}

/** Prints a warning, if there is one. */
export function warn(warning: string | undefined): void {
  if (warning !== undefined) printError(`WARNING: ${warning}\n`);
}

function localDnsWarning(servers: readonly string[]): string | undefined {
  const local = servers.find((server) => server.startsWith("127.") || server === "::1");
  return local === undefined ? undefined : `Localhost DNS (${local}) may fail in containers.`;
}

async function withSocket(session: Session, flags: CreateFlags, request: CreateRequest): Promise<ApiSocket> {
  if (!flags["use-api-socket"]) return { request, finish: async () => undefined };
  const { withApiSocket } = await import("./_api-socket.ts");
  return withApiSocket(session, request);
}

/** Docker's client looks at the text before it asks for anything. */
async function checkPlatform(text: string): Promise<void> {
  if (text === "") return;
  const { parsePlatform } = await import("../../../oci/platform.ts");
  try {
    parsePlatform(text);
  } catch (error) {
    throw refuse(`error parsing specified platform: ${messageOf(error)}`);
  }
}

/** Adds the proxies of config.json to the variables. */
async function withProxies(session: Session, host: string, request: CreateRequest): Promise<CreateRequest> {
  const config = await session.config();
  if (config.proxies === undefined) return request;
  const { proxyVariables } = await import("../../config/proxies.ts");
  const env = request.body.Env ?? [];
  const added = proxyVariables(config, host, new Set(env.map((pair) => pair.split("=", 1)[0] ?? "")));
  const Env = [...env, ...Object.entries(added).map(([name, value]) => `${name}=${value}`)];
  return { ...request, body: { ...request.body, Env } };
}

/** From API 1.44 on the address belongs to the endpoint; newer daemons refuse it here. */
async function withoutMac(session: Session, request: CreateRequest): Promise<CreateRequest> {
  const { MacAddress, ...body } = request.body;
  if (MacAddress === undefined) return request;
  const version = await session.apiVersion();
  return version !== undefined && compareVersions(version, "1.44") < 0 ? request : { ...request, body };
}

/** Most names are plainly good; only doubtful ones are worth loading the parser for its complaint. */
async function checkImageName(image: string): Promise<void> {
  if (/^[a-z0-9]+(?:[._-][a-z0-9]+)*(?:\/[a-z0-9]+(?:[._-][a-z0-9]+)*)*(?::\w[\w.-]{0,127})?$/.test(image))
    return;
  const { parseIdOrReference } = await import("../../../oci/reference.ts");
  parseIdOrReference(image);
}

async function pull(session: Session, image: string, flags: CreateFlags): Promise<void> {
  const { pullImage } = await import("../../progress/pull.ts");
  await pullImage(session, image, { platform: flags.platform, isQuiet: flags.quiet, fd: 2 });
}

interface IdFile {
  write(id: string): void;
  close(): void;
}

/** The file is made before the container, so that two runs with the same file cannot both succeed. */
function openIdFile(path: string): IdFile {
  if (path === "") return { write: () => {}, close: () => {} };
  const { closeSync, existsSync, openSync, rmSync, writeSync } = fs();
  if (existsSync(path)) {
    throw refuse(`container ID file found, make sure the other container isn't running or delete ${path}`);
  }
  let fd: number;
  try {
    fd = openSync(path, "wx", 0o666);
  } catch (error) {
    throw refuse(`failed to create the container ID file: open ${path}: ${errnoText(error)}`);
  }
  let isWritten = false;
  return {
    write: (id) => {
      writeSync(fd, id);
      isWritten = true;
    },
    close: () => {
      closeSync(fd);
      if (!isWritten) rmSync(path, { force: true });
    },
  };
}
