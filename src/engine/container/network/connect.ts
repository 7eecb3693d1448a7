// Connects containers to networks and disconnects them, running ones live: device, routes, published ports and /etc/hosts
// follow. In the container's lane, so that no start or stop comes between.
import type { InputOf } from "../../../api/contract.ts";
import type * as operations from "../../../api/operations/network.ts";
import { Fault, messageOf } from "../../../lib/errors.ts";
import type { Families, PortRequest, PublishedPort } from "../../../net/model.ts";
import { type DefaultRoute, openHostNamespace, planRouteChange } from "../../../net/sandbox/endpoint.ts";
import { withHosts, withoutHosts } from "../../../net/sandbox/hosts-edit.ts";
import type { GatewayChoice } from "../../network/gateway.ts";
import { configOnly } from "../../network/attach.ts";
import type { NetworkRecord } from "../../network/record.ts";
import type { PlannedEndpoint } from "../../network/service.ts";
import type { ContainerContext } from "../context.ts";
import { type AttachedEndpoint, type ContainerRecord, isRunning, type NetworkEndpoint } from "../record.ts";
import type { LiveContainer } from "../table.ts";
import { checkEgress, egressOf } from "./egress.ts";
import { endpointOf } from "./endpoints.ts";
import { editHosts, ownHosts } from "./hosts.ts";
import { joinNameService } from "./name-service.ts";
import { hasNameService } from "./names.ts";
import { withoutAttached } from "./release.ts";
import { rewriteResolvConf } from "./resolv-conf.ts";
import { standingRoutes, withRouteReason } from "./routes.ts";
import {
  attachedTo,
  enterNamespace,
  gatewaysOf,
  interfaceName,
  isOfFamily,
  NETNS,
  type Place,
  placesOf,
  publishedIn,
  wantedPorts,
  withHolderName,
  wishOf,
} from "./sandbox.ts";

/** NetworkConnect. Fails with notFound, invalidParameter, forbidden (already there), conflict (a port in use). */
export async function connectContainer(
  context: ContainerContext,
  input: InputOf<typeof operations.networkConnect>,
): Promise<void> {
  const { id } = context.table.find(input.body.Container ?? "");
  const live = context.table.live(id);
  await live.lane.run(async () => {
    const record = context.table.find(id);
    if (live.isRemoving) throw beingRemoved(id);
    const network = context.networks.find(input.id);
    checkJoinable(record, network);
    checkEgress(egressOf(record).egress, record.hostConfig.NetworkMode, [network]);
    const endpoint = endpointOf(network, input.body.EndpointConfig ?? {});
    const existing = record.endpoints.some((e) => e.networkName === network.name);
    if (!isRunning(record)) {
      if (!existing) await context.table.put({ ...record, endpoints: [...record.endpoints, endpoint] });
      return;
    }
    if (existing)
      throw new Fault(
        "forbidden",
        `endpoint with name ${record.name} already exists in network ${network.name}`,
        {
          code: "network.already-connected",
        },
      );
    await joinLive(context, live, record, { endpoint, network });
  });
}

/** compat: whoever has somebody else's namespace, the host's or none joins nothing. */
function checkJoinable(record: ContainerRecord, network: NetworkRecord): void {
  const refuse = (message: string): Fault =>
    new Fault("invalidParameter", message, { code: "network.not-joinable" });
  const mode = record.hostConfig.NetworkMode;
  if (network.isConfigOnly) throw configOnly();
  if (mode.startsWith("container:") || (mode === "host" && network.driver !== "host"))
    throw refuse(
      "container sharing network namespace with another container or host cannot be connected to any other network",
    );
  if (network.driver === "host" && mode !== "host")
    throw refuse("cannot connect container to host network - container must be created in host network mode");
  if (
    (network.driver === "null") !== (mode === "none") &&
    !(network.driver !== "null" && record.endpoints.length === 0)
  )
    throw refuse(
      "container cannot be connected to multiple networks with one of the networks in private (none) mode",
    );
}

const beingRemoved = (id: string): Fault =>
  new Fault(
    "conflict",
    `Container ${id} is marked for removal and cannot be connected or disconnected to the network`,
    { code: "container.removing" },
  );

async function joinLive(
  context: ContainerContext,
  live: LiveContainer,
  record: ContainerRecord,
  place: Place,
): Promise<void> {
  const joined = { ...record, endpoints: [...record.endpoints, place.endpoint] };
  // First, since it may fail, and harms nobody when what follows fails.
  if (live.run !== null) await joinNameService(context, joined, live.run);
  const before = placesOf(context.networks, record.endpoints);
  const after = [...before, place];
  const move = await beginMove(context, record, { before, after });
  const names = record.endpoints.filter((e) => e.networkId !== "").map((e) => e.attached?.ifName ?? "eth0");
  const ifName = interfaceName(place.network, place.endpoint, names);
  let planned: PlannedEndpoint | undefined;
  try {
    const wish = wishOf(record, place, { ifName, gateways: gatewaysOf(after), ports: move.ports });
    const lost = await standingRoutes(context, record, move.lostRoutes);
    planned = await context.networks.planAttach(wish, NETNS);
    await context.keel.run([
      enterNamespace(record),
      openHostNamespace(),
      ...planRouteChange(NETNS, { remove: lost, add: [] }),
      ...planned.ops,
    ]);
  } catch (error) {
    await planned?.undo(error);
    await move.undo();
    throw withHolderName(context, await withRouteReason(context, record, error));
  }
  const endpoint = attachedTo(place.endpoint, planned);
  const attached = endpoint.attached as AttachedEndpoint;
  await putEndpoints(context, record.id, (all) => [...all.map((e) => move.changed(e)), endpoint]);
  if (live.run === null) {
    // It has ended meanwhile, and its end knew nothing of the new endpoint.
    await context.networks.detach(attached);
    await putEndpoints(context, record.id, (all) => all.map(withoutAttached));
    return;
  }
  await editHosts(context, record.id, (text) => withHosts(text, ownHosts(record, attached)));
  if (hasNameService(joined)) await rewriteResolvConf(context, joined);
  context.networks.publish(place.network.id, "connect", record.id);
}

/** Changes the endpoints of the record as it is now: its state may have changed since it was read. */
async function putEndpoints(
  context: ContainerContext,
  id: string,
  change: (all: readonly NetworkEndpoint[]) => NetworkEndpoint[],
): Promise<void> {
  const latest = context.table.find(id);
  await context.table.put({ ...latest, endpoints: change(latest.endpoints) });
}

/** What a change of the networks does to default routes and ports of the endpoints that stay. */
interface Move {
  /** Default routes of endpoints that no longer give them. */
  lostRoutes: DefaultRoute[];
  /** Ports for the endpoint that joins. */
  ports: readonly PortRequest[];
  /** Returns an endpoint as it is after the move. */
  changed(e: NetworkEndpoint): NetworkEndpoint;
  undo(): Promise<void>;
}

/** Ports that were withdrawn from an endpoint, and what it is without them. */
interface Withdrawal {
  attached: AttachedEndpoint;
  ports: readonly PublishedPort[];
}

/** Withdraws the host's ports of endpoints that no longer publish them, so that the one that joins, the last, can take the same ones. */
async function beginMove(
  context: ContainerContext,
  record: ContainerRecord,
  { before, after }: { before: readonly Place[]; after: readonly Place[] },
): Promise<Move> {
  const [old, next] = [gatewaysOf(before), gatewaysOf(after)];
  const lostRoutes = routesOf(old).filter(
    (r) => !routesOf(next).some((n) => n.gateway === r.gateway && n.ifName === r.ifName),
  );
  const withdrawals: Withdrawal[] = [];
  for (const { attached, networkName } of before.map((place) => place.endpoint)) {
    if (attached === undefined) continue;
    const lost = without(publishedIn(old, networkName), publishedIn(next, networkName));
    const ports = hostPorts(attached).filter((p) => isOfFamily(p.hostIp, lost));
    if (ports.length === 0) continue;
    const change = { remove: ports, add: [] };
    withdrawals.push({ attached: await context.networks.changePorts(attached, change), ports });
  }
  return {
    lostRoutes,
    ports: portsToJoin(
      record,
      withdrawals.flatMap((w) => w.ports),
      publishedIn(next, after.at(-1)?.network.name ?? ""),
    ),
    changed: (e) => {
      const done = withdrawals.find((w) => w.attached.endpointId === e.attached?.endpointId);
      return done === undefined ? e : { ...e, attached: done.attached };
    },
    undo: async () => {
      for (const done of withdrawals) await publishAgain(context, record, done);
    },
  };
}

/** The ports that the container has keep their numbers; where these are of one family the others are opened at most. */
function portsToJoin(
  record: ContainerRecord,
  same: readonly PublishedPort[],
  joins: Families,
): readonly PortRequest[] {
  const wanted = wantedPorts(record);
  if (same.length === 0) return wanted;
  const others = without({ ipv4: true, ipv6: true }, joins);
  return [...same, ...wanted.flatMap((w) => inFamilies(w, others))];
}

/** Returns a wish as one for the addresses of some families. */
function inFamilies(wish: PortRequest, families: Families): PortRequest[] {
  const named = wish.hostIp === "" ? ["0.0.0.0", "::"].map((hostIp) => ({ ...wish, hostIp })) : [wish];
  return named.filter((w) => isOfFamily(w.hostIp, families));
}

const without = (a: Families, b: Families): Families => ({
  ipv4: a.ipv4 && !b.ipv4,
  ipv6: a.ipv6 && !b.ipv6,
});

/** The ports of an endpoint that are the host's. */
const hostPorts = ({ ports }: AttachedEndpoint): PublishedPort[] => ports.filter((p) => p.hostPort !== 0);

async function publishAgain(
  context: ContainerContext,
  record: ContainerRecord,
  { attached, ports }: Withdrawal,
): Promise<void> {
  await context.networks.changePorts(attached, { remove: [], add: ports }).catch((error: unknown) => {
    if (error instanceof Fault && error.kind === "notFound") return; // ignored: the container has ended meanwhile
    context.log(
      "error",
      `container ${record.id.slice(0, 12)}: cannot publish its ports again: ${messageOf(error)}`,
    );
  });
}

/** The default routes that a choice stands for, of endpoints that are attached. */
function routesOf(gateways: GatewayChoice<Place>): DefaultRoute[] {
  const route = (place: Place | undefined, gateway: string | undefined): DefaultRoute[] =>
    place?.endpoint.attached === undefined || !gateway
      ? []
      : [{ ifName: place.endpoint.attached.ifName ?? "eth0", gateway }];
  return [
    ...route(gateways.ipv4, gateways.ipv4?.endpoint.attached?.gateway),
    ...route(gateways.ipv6, gateways.ipv6?.endpoint.attached?.gateway6),
  ];
}

/** NetworkDisconnect. Fails with notFound, and with system where the container is not in the network (compat). */
export async function disconnectContainer(
  context: ContainerContext,
  input: InputOf<typeof operations.networkDisconnect>,
): Promise<void> {
  const reference = input.body.Container ?? "";
  const isForced = input.body.Force ?? false;
  const found = findForced(context, reference, isForced);
  const live = context.table.live(found.id);
  await live.lane.run(async () => {
    const record = context.table.find(found.id);
    if (live.isRemoving) throw beingRemoved(record.id);
    const network = networkNamed(context, input.id, isForced);
    const name = network?.name ?? input.id;
    const endpoint = record.endpoints.find((e) => e.networkName === name);
    if (endpoint === undefined) throw notConnected(record, name);
    if (record.hostConfig.NetworkMode === "host" && network?.driver === "host")
      throw new Fault(
        "invalidParameter",
        "cannot disconnect container from host network - container was created in host network mode",
        { code: "network.not-joinable" },
      );
    if (isRunning(record) && network !== undefined && endpoint.attached !== undefined)
      await leaveLive(context, record, endpoint);
    else await context.table.put({ ...record, endpoints: record.endpoints.filter((e) => e !== endpoint) });
  });
}

function notConnected(record: ContainerRecord, network: string): Fault {
  const the = isRunning(record) ? "" : "the ";
  return new Fault("system", `container ${record.id} is not connected to ${the}network ${network}`, {
    code: "network.not-connected",
  });
}

function findForced(context: ContainerContext, reference: string, isForced: boolean): ContainerRecord {
  try {
    return context.table.find(reference);
  } catch (error) {
    if (!isForced || !(error instanceof Fault) || error.kind !== "notFound") throw error;
    throw new Fault("notFound", `endpoint ${reference} not found`, { code: error.code, cause: error });
  }
}

/** With force the record may name a network that is gone. */
function networkNamed(
  context: ContainerContext,
  reference: string,
  isForced: boolean,
): NetworkRecord | undefined {
  try {
    return context.networks.find(reference);
  } catch (error) {
    if (isForced) return undefined;
    throw error;
  }
}

async function leaveLive(
  context: ContainerContext,
  record: ContainerRecord,
  leaving: NetworkEndpoint,
): Promise<void> {
  const attached = leaving.attached as AttachedEndpoint;
  const staying = record.endpoints.filter((e) => e !== leaving);
  const [old, next] = [
    gatewaysOf(placesOf(context.networks, record.endpoints)),
    gatewaysOf(placesOf(context.networks, staying)),
  ];
  await context.networks.detach(attached, { netns: `/proc/${record.state.pid}/ns/net` });
  const known = routesOf(old);
  const gained = routesOf(next).filter(
    (r) => !known.some((k) => k.ifName === r.ifName && k.gateway === r.gateway),
  );
  const ops = planRouteChange(NETNS, { remove: [], add: gained });
  // The container may have made its other devices unusable: it has left the network all the same.
  if (ops.length > 0)
    await context.keel.run([enterNamespace(record), ...ops]).catch((error: unknown) => {
      context.log("warn", `container ${record.id.slice(0, 12)}: no other default route: ${messageOf(error)}`);
    });
  const same = hostPorts(attached);
  const add = same.length > 0 ? same : wantedPorts(record);
  const left = publishedIn(old, leaving.networkName);
  const published = new Map<string, AttachedEndpoint>();
  for (const { networkName, attached: heir } of staying) {
    const now = publishedIn(next, networkName);
    const publishes = { ipv4: left.ipv4 && now.ipv4, ipv6: left.ipv6 && now.ipv6 };
    if (heir === undefined || add.length === 0 || !isOfFamily("", publishes)) continue;
    published.set(networkName, await context.networks.changePorts(heir, { remove: [], add, publishes }));
  }
  await putEndpoints(context, record.id, (all) =>
    all
      .filter((e) => e.networkName !== leaving.networkName)
      .map((e) => {
        const again = e.attached === undefined ? undefined : published.get(e.networkName);
        return again === undefined ? e : { ...e, attached: again };
      }),
  );
  await editHosts(context, record.id, (text) => withoutHosts(text, ownHosts(record, attached)));
  context.networks.publish(leaving.networkId, "disconnect", record.id);
}
