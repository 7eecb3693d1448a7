// Links of the default bridge (`--link`): another container's address under a name of this one's choosing, in /etc/hosts and
// in the environment. In networks of users a link is one more name of the name service (engine/network/names.ts).
// Source: docker "Legacy container links" for the variables and their names.
import type { HostConfig } from "../../../api/schemas/host-config.ts";
import { Fault } from "../../../lib/errors.ts";
import type { HostEntry } from "../../../net/sandbox/hosts-file.ts";
import type { ContainerContext } from "../context.ts";
import { type ContainerLink, type ContainerRecord, isRunning, type NetworkEndpoint } from "../record.ts";
import type { ContainerTable } from "../table.ts";
import { withHostMoved, withoutHosts } from "../../../net/sandbox/hosts-edit.ts";
import { parsePortKey } from "../ports.ts";
import { parseLink } from "./endpoints.ts";
import { editHosts } from "./hosts.ts";

const DEFAULT_NETWORK = "bridge";
/** Variables of the other container that are not passed on. */
const OWN_VARIABLES = ["HOME", "PATH"];

type Table = Pick<ContainerTable, "find" | "get">;

/** Returns the links that a host configuration asks for. Fails with invalidParameter. */
export function linksOf(table: Table, h: HostConfig): ContainerLink[] {
  const wishes = h.Links ?? [];
  if (wishes.length === 0) return [];
  if (h.NetworkMode === "host")
    throw conflict("host type networking can't be used with links. This would result in undefined behavior");
  if (h.NetworkMode.startsWith("container:"))
    throw conflict(
      "container type network can't be used with links. This would result in undefined behavior",
    );
  if (h.NetworkMode !== DEFAULT_NETWORK) return [];
  return wishes.map((text) => {
    const { container, alias } = parseLink(text);
    return { containerId: findLinked(table, container).id, alias };
  });
}

const conflict = (message: string): Fault =>
  new Fault("invalidParameter", `conflicting options: ${message}`, { code: "container.link" });

function findLinked(table: Table, reference: string): ContainerRecord {
  try {
    return table.find(reference);
  } catch (error) {
    if (!(error instanceof Fault) || error.kind !== "notFound") throw error;
    // Clients take "not found" as the image's and pull it.
    throw new Fault("invalidParameter", `could not get container for ${reference}: ${error.message}`, {
      code: "container.link",
      cause: error,
    });
  }
}

/** A link with the container that it leads to. */
interface Linked {
  alias: string;
  child: ContainerRecord;
}

function linked(table: Table, record: ContainerRecord): Linked[] {
  return (record.links ?? []).flatMap(({ alias, containerId }) => {
    const child = table.get(containerId);
    return child === undefined ? [] : [{ alias, child }];
  });
}

/** The addresses of a running container on the default bridge; fails where it cannot be linked to. */
function addressesOf({ alias, child }: Linked, record: ContainerRecord): string[] {
  if (!isRunning(child))
    throw new Fault(
      "system", // compat: with status 500
      `Cannot link to a non running container: /${child.name} AS /${record.name}/${alias}`,
      { code: "container.link" },
    );
  const attached = child.endpoints.find((e) => e.networkName === DEFAULT_NETWORK)?.attached;
  if (attached === undefined)
    throw new Fault(
      "conflict",
      `Cannot link to /${child.name}, as it does not belong to the default network`,
      {
        code: "container.link",
      },
    );
  return [attached.ip, attached.ip6 ?? ""].filter((ip) => ip !== "");
}

/** Returns the lines of /etc/hosts for the links of a container that is about to start. */
export function linkedHosts(table: Table, record: ContainerRecord): HostEntry[] {
  return linked(table, record).flatMap((link) =>
    addressesOf(link, record).map((ip) => ({ ip, names: namesOf(link) })),
  );
}

/** The alias, the host name, and the name where that is another. */
function namesOf({ alias, child }: Linked): string[] {
  return [alias, child.config.Hostname, ...(alias === child.name ? [] : [child.name])];
}

/** Returns the variables for the links of a container that is about to start, "DB_PORT=tcp://172.17.0.2:5432"…. */
export function linkedEnvironment(table: Table, record: ContainerRecord): string[] {
  return linked(table, record).flatMap((link) =>
    variablesOf(link, record, addressesOf(link, record)[0] ?? ""),
  );
}

/** Returns the same variables for a container that runs: what is linked to and does not run any more has none. */
export function currentEnvironment(table: Table, record: ContainerRecord): string[] {
  const links = (record.links ?? []).filter((l) => {
    const child = table.get(l.containerId);
    return child !== undefined && isRunning(child) && child.endpoints.some(isOnDefault);
  });
  return linkedEnvironment(table, { ...record, links });
}

const isOnDefault = (e: NetworkEndpoint): boolean =>
  e.networkName === DEFAULT_NETWORK && e.attached !== undefined;

interface ExposedPort {
  port: number;
  proto: string;
}

function variablesOf({ alias, child }: Linked, record: ContainerRecord, ip: string): string[] {
  const front = alias.replaceAll("-", "_").toUpperCase();
  const ports = Object.keys(child.config.ExposedPorts ?? {})
    .map((key): ExposedPort => parsePortKey(key))
    .sort((a, b) => a.port - b.port || (a.proto < b.proto ? -1 : 1));
  const url = (p: ExposedPort): string => `${p.proto}://${ip}:${p.port}`;
  const first = ports[0];
  return [
    ...(first === undefined ? [] : [`${front}_PORT=${url(first)}`]),
    ...consecutive(ports).flatMap((run) => rangeVariables(front, run, url)),
    ...ports.flatMap((p) => {
      const key = `${front}_PORT_${p.port}_${p.proto.toUpperCase()}`;
      return [`${key}=${url(p)}`, `${key}_ADDR=${ip}`, `${key}_PORT=${p.port}`, `${key}_PROTO=${p.proto}`];
    }),
    `${front}_NAME=/${record.name}/${alias}`,
    ...(child.config.Env ?? []).flatMap((pair) => {
      const [name, value] = splitPair(pair);
      return value === undefined || OWN_VARIABLES.includes(name) ? [] : [`${front}_ENV_${name}=${value}`];
    }),
  ];
}

function splitPair(pair: string): [string, string | undefined] {
  const at = pair.indexOf("=");
  return at < 0 ? [pair, undefined] : [pair.slice(0, at), pair.slice(at + 1)];
}

/** Runs of ports that follow each other with the same protocol; single ones are none. */
function consecutive(ports: readonly ExposedPort[]): ExposedPort[][] {
  const runs: ExposedPort[][] = [];
  for (const p of ports) {
    const last = runs.at(-1)?.at(-1);
    if (last !== undefined && last.proto === p.proto && last.port + 1 === p.port) runs.at(-1)?.push(p);
    else runs.push([p]);
  }
  return runs.filter((run) => run.length > 1);
}

function rangeVariables(
  front: string,
  run: readonly ExposedPort[],
  url: (p: ExposedPort) => string,
): string[] {
  const [start, end] = [run[0] as ExposedPort, run.at(-1) as ExposedPort];
  const key = `${front}_PORT_${start.port}_${start.proto.toUpperCase()}`;
  return [
    `${key}_START=${url(start)}`,
    `${key}_PORT_START=${start.port}`,
    `${key}_END=${url(end)}`,
    `${key}_PORT_END=${end.port}`,
  ];
}

/** Returns the names under which others have a link to a container, "/web/db". */
export function linkNames(table: Pick<ContainerTable, "linkersOf">, id: string): string[] {
  return table
    .linkersOf(id)
    .flatMap((parent) => linksTo(parent, id).map(({ alias }) => `/${parent.name}/${alias}`));
}

const linksTo = (parent: ContainerRecord, id: string): ContainerLink[] =>
  (parent.links ?? []).filter((l) => l.containerId === id);

/** Returns HostConfig.Links as inspect shows it, "/db:/web/db"; null without links. */
export function shownLinks(table: Table, record: ContainerRecord): string[] | null {
  const links = linked(table, record).map((l) => `/${l.child.name}:/${record.name}/${l.alias}`);
  return links.length === 0 ? null : links;
}

/** After a container has got its address: those that link to it learn it. */
export async function tellParents(context: ContainerContext, child: ContainerRecord): Promise<void> {
  const attached = child.endpoints.find((e) => e.networkName === DEFAULT_NETWORK)?.attached;
  if (attached === undefined) return;
  for (const parent of context.table.linkersOf(child.id).filter(isRunning))
    for (const link of linksTo(parent, child.id))
      for (const ip of [attached.ip, attached.ip6 ?? ""].filter((a) => a !== ""))
        await editHosts(context, parent.id, (text) => withHostMoved(text, link.alias, ip));
}

/** Removes the link "web/db" (`rm --link`). Fails with notFound; a container's own name is no link. */
export async function removeLink(context: ContainerContext, reference: string): Promise<void> {
  const [parentName = "", alias] = reference.replace(/^\//, "").split("/");
  if (alias === undefined) {
    context.table.find(reference);
    const message = "Conflict, cannot remove the default link name of the container";
    throw new Fault("system", message, { code: "container.link" }); // compat: with status 500
  }
  const parent = context.table.get(context.table.idOfName(parentName) ?? "");
  const link = parent?.links?.find((l) => l.alias === alias);
  if (parent === undefined || link === undefined)
    throw new Fault("notFound", `No such container: ${reference}`, { code: "container.not-found" });
  const child = context.table.get(link.containerId);
  const addresses =
    isRunning(parent) && child !== undefined && isRunning(child) ? addressesOf({ alias, child }, parent) : [];
  await context.table.put({ ...parent, links: (parent.links ?? []).filter((l) => l !== link) });
  if (child === undefined) return;
  const entries = addresses.map((ip) => ({ ip, names: namesOf({ alias, child }) }));
  if (entries.length > 0) await editHosts(context, parent.id, (text) => withoutHosts(text, entries));
}
