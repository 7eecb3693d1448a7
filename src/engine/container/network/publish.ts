// Part of ContainerUpdate, an extension: further ports are published, or published ones taken away, while the container runs.
// Connections through the ports that stay are not touched; a TCP connection through one that goes lives to its end.
import type { HostConfig, PortBinding, PortMap } from "../../../api/schemas/host-config.ts";
import { Fault } from "../../../lib/errors.ts";
import { isSamePort } from "../../../net/bridge/publications.ts";
import type { Families, PortRequest, PublishedPort } from "../../../net/model.ts";
import { type ContainerContext, publish } from "../context.ts";
import { parsePortKey, portRequests } from "../ports.ts";
import { type AttachedEndpoint, type ContainerRecord, isRunning } from "../record.ts";
import { gatewaysOf, isOfFamily, placesOf, publishedIn, withHolderName } from "./sandbox.ts";

/** Bindings by container port; of removed ones "" stands for any host address or port. */
export interface PublishChange {
  add: PortMap;
  remove: PortMap;
}

type Publishing = Pick<HostConfig, "PortBindings" | "PublishAllPorts">;

/** What a change comes to: how the configuration is afterwards, and which of the published ports go. */
export interface PlannedPublish {
  config: Publishing;
  removed: PublishedPort[];
}

/** Changes the ports of a container; the caller is in its lane. Fails with notFound, invalidParameter, conflict, or as a start does. */
export async function updatePorts(
  context: ContainerContext,
  id: string,
  change: PublishChange,
): Promise<void> {
  if (Object.keys(change.add).length + Object.keys(change.remove).length === 0) return;
  const record = context.table.find(id);
  const mode = record.hostConfig.NetworkMode;
  if (mode === "host" || mode === "none" || mode.startsWith("container:"))
    throw conflict(`ports cannot be published in network mode ${mode}`);
  const endpoints = isRunning(record) ? attachedOnes(context, record) : [];
  if (isRunning(record) && !endpoints.some(isPublisher))
    throw conflict(`container ${record.name} is in no network that publishes ports`);
  const published = endpoints.flatMap(({ attached }) => attached.ports);
  const { config, removed } = planPublishChange(record, change, published);
  const add = portRequests({ PortBindings: change.add, PublishAllPorts: false }, []);
  const changed = await changeEndpoints(context, endpoints, { removed, add });
  const latest = context.table.find(id);
  const ExposedPorts = { ...latest.config.ExposedPorts };
  for (const key of Object.keys(change.add)) ExposedPorts[key] = {};
  const after = await context.table.put({
    ...latest,
    config: { ...latest.config, ExposedPorts },
    hostConfig: { ...latest.hostConfig, ...config },
    endpoints: latest.endpoints.map((e) => {
      const now = changed.get(e.attached?.endpointId ?? "");
      return now === undefined ? e : { ...e, attached: now };
    }),
  });
  publish(context, after, "update");
}

/** An endpoint of a running container, and which of the host's addresses lead to it. */
interface Publisher {
  attached: AttachedEndpoint;
  publishes: Families;
}

const isPublisher = ({ publishes }: Publisher): boolean => isOfFamily("", publishes);

/** Those that can refuse a port come first. */
function attachedOnes(context: ContainerContext, record: ContainerRecord): Publisher[] {
  const gateways = gatewaysOf(placesOf(context.networks, record.endpoints));
  return record.endpoints
    .flatMap(({ attached, networkName }) =>
      attached === undefined ? [] : [{ attached, publishes: publishedIn(gateways, networkName) }],
    )
    .sort((a, b) => Number(isPublisher(b)) - Number(isPublisher(a)));
}

/** Changes the ports of all endpoints or, where that fails, of none; returns them as they are then, by id. */
async function changeEndpoints(
  context: ContainerContext,
  endpoints: readonly Publisher[],
  { removed, add }: { removed: readonly PublishedPort[]; add: readonly PortRequest[] },
): Promise<Map<string, AttachedEndpoint>> {
  const changed = new Map<string, AttachedEndpoint>();
  await using undo = new AsyncDisposableStack();
  for (const { attached, publishes } of endpoints) {
    const remove = removed.filter((p) => attached.ports.includes(p));
    const now = await context.networks
      .changePorts(attached, { remove, add, publishes })
      .catch((error: unknown) => {
        throw withHolderName(context, error);
      });
    changed.set(now.endpointId, now);
    const added = now.ports.filter((p) => !attached.ports.some((had) => isSamePort(had, p)));
    undo.defer(async () => {
      await context.networks.changePorts(now, { remove: added, add: remove, publishes });
    });
  }
  undo.move();
  return changed;
}

/** Returns what a change comes to, given what is published now (nothing between runs). Pure; fails as updatePorts does. */
export function planPublishChange(
  record: Pick<ContainerRecord, "name" | "config"> & { hostConfig: Publishing },
  { add, remove }: PublishChange,
  published: readonly PublishedPort[],
): PlannedPublish {
  const isExplicit = Object.keys(remove).length > 0;
  const bindings = isExplicit ? explicitBindings(record) : { ...record.hostConfig.PortBindings };
  const removed: PublishedPort[] = [];
  for (const [key, wishes] of Object.entries(remove))
    for (const wish of wishes ?? [ANY])
      removed.push(...removeBinding(bindings, { name: record.name, key, wish, published }));
  for (const [key, wishes] of Object.entries(add))
    for (const wish of wishes ?? [ANY]) addBinding(bindings, { name: record.name, key, wish });
  const { PublishAllPorts } = record.hostConfig;
  return {
    config: { PortBindings: bindings, PublishAllPorts: isExplicit ? false : PublishAllPorts },
    removed,
  };
}

const ANY: PortBinding = { HostIp: "", HostPort: "" };

/** `-P` spelled out, so that one of its ports can be taken away. */
function explicitBindings({
  config,
  hostConfig,
}: Pick<ContainerRecord, "config"> & { hostConfig: Publishing }): PortMap {
  const exposed = hostConfig.PublishAllPorts ? Object.keys(config.ExposedPorts ?? {}) : [];
  return { ...Object.fromEntries(exposed.map((key) => [key, [ANY]])), ...hostConfig.PortBindings };
}

interface Removal {
  name: string;
  key: string;
  wish: PortBinding;
  published: readonly PublishedPort[];
}

/** Takes the bindings that a wish means out of the map; returns the published ports that go with them. */
function removeBinding(bindings: PortMap, { name, key, wish, published }: Removal): PublishedPort[] {
  const { port, proto } = parsePortKey(key);
  const own = published.filter((p) => p.containerPort === port && p.proto === proto);
  const had = bindings[key] ?? (key in bindings ? [ANY] : []);
  const given = (b: PortBinding): PublishedPort[] =>
    own.filter((p) => (b.HostIp === "" || b.HostIp === p.hostIp) && holds(b.HostPort, p.hostPort));
  const isMeant = (b: PortBinding): boolean =>
    (wish.HostIp === "" || wish.HostIp === b.HostIp) &&
    (wish.HostPort === "" ||
      wish.HostPort === b.HostPort ||
      given(b).some((p) => String(p.hostPort) === wish.HostPort));
  const meant = had.filter(isMeant);
  if (meant.length === 0)
    throw new Fault("notFound", `no public port '${shown(key, wish)}' published for ${name}`, {
      code: "container.port-not-published",
    });
  const going = wish.HostPort === "" ? meant : meant.slice(0, 1);
  const left = had.filter((b) => !going.includes(b));
  if (left.length === 0) delete bindings[key];
  else bindings[key] = left;
  const isFixed = (b: PortBinding): boolean => b.HostPort === wish.HostPort;
  return going.flatMap(given).filter((p, i, all) => {
    const isOfWish = wish.HostPort === "" || going.some(isFixed) || String(p.hostPort) === wish.HostPort;
    return isOfWish && all.indexOf(p) === i;
  });
}

/** Whether a wish for a host port, "" or "8080" or "8000-8010", can have been granted this one. */
function holds(wanted: string, granted: number): boolean {
  if (wanted === "" || granted === 0) return true;
  const [from = 0, to = from] = wanted.split("-").map(Number);
  return granted >= from && granted <= to;
}

function addBinding(bindings: PortMap, { name, key, wish }: Omit<Removal, "published">): void {
  parsePortKey(key); // nothing else is a key of the map
  const had = bindings[key] ?? [];
  const isThere = had.some(
    (b) => b.HostPort !== "" && b.HostPort === wish.HostPort && b.HostIp === wish.HostIp,
  );
  if (isThere) throw conflict(`container ${name} publishes ${shown(key, wish)} already`);
  bindings[key] = [...had, wish];
}

const shown = (key: string, { HostIp, HostPort }: PortBinding): string =>
  [HostIp, HostPort, key].filter((part) => part !== "").join(":");

const conflict = (message: string): Fault => new Fault("conflict", message, { code: "container.ports" });
