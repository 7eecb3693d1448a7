// ContainerTakePorts, an extension: a running container takes the published ports of another over, with no moment in which a
// connection is refused. What makes `compose up --rolling` possible: the new container of a service is there and healthy
// before the old one loses its ports.
import { Fault } from "../../../lib/errors.ts";
import type { PortRequest } from "../../../net/model.ts";
import { type ContainerContext, publish } from "../context.ts";
import { type AttachedEndpoint, type ContainerRecord, isRunning, type NetworkEndpoint } from "../record.ts";
import { gatewaysOf, isOfFamily, placesOf, publishedIn, wantedPorts } from "./sandbox.ts";

/** Takes the ports over. Fails with notFound, and with conflict where either does not run or the taker has ports. */
export async function takePorts(context: ContainerContext, takerId: string, giverId: string): Promise<void> {
  const [taker, giver] = [context.table.find(takerId).id, context.table.find(giverId).id];
  if (taker === giver) throw refusal("a container cannot take its own ports");
  // Both lanes, always in the same order, so that two moves cannot wait for each other.
  const [first, second] = [taker, giver].sort().map((id) => context.table.live(id).lane);
  await first?.run(() => second?.run(() => move(context, taker, giver)));
}

async function move(context: ContainerContext, takerId: string, giverId: string): Promise<void> {
  const [taker, giver] = [context.table.find(takerId), context.table.find(giverId)];
  for (const record of [taker, giver])
    if (!isRunning(record)) throw refusal(`container ${record.name} is not running`);
  if (Object.keys(taker.hostConfig.PortBindings ?? {}).length > 0 || taker.hostConfig.PublishAllPorts)
    throw refusal(`container ${taker.name} has published ports of its own`);
  const moved = await moveAll(context, movesOf(context, taker, giver));
  const [froms, tos] = [moved.map((m) => m.from), moved.map((m) => m.to)];
  const given = await openElsewhere(context, giver, [], froms);
  const taken = await openElsewhere(context, taker, wantedPorts(giver), tos);
  const { PortBindings, PublishAllPorts } = giver.hostConfig;
  const bare = { PortBindings: {}, PublishAllPorts: false };
  await context.table.put({
    ...taker,
    hostConfig: { ...taker.hostConfig, PortBindings, PublishAllPorts },
    endpoints: taken,
  });
  await context.table.put({
    ...giver,
    hostConfig: { ...giver.hostConfig, ...bare },
    endpoints: given,
  });
  publish(context, taker, "take-ports", { from: giverId });
}

/** The ports of one endpoint go to another. */
interface PortMove {
  from: AttachedEndpoint;
  to: AttachedEndpoint;
}

/** Returns from where to where the ports go: to whatever network of the taker publishes the family that they are of. */
function movesOf(context: ContainerContext, taker: ContainerRecord, giver: ContainerRecord): PortMove[] {
  const gateways = gatewaysOf(placesOf(context.networks, taker.endpoints));
  const moves = giver.endpoints.flatMap(({ attached: from }): PortMove[] => {
    const ports = from?.ports.filter((p) => p.hostPort !== 0) ?? [];
    if (from === undefined || ports.length === 0) return [];
    const targets = taker.endpoints.filter(({ networkName }) => {
      const publishes = publishedIn(gateways, networkName);
      return ports.some((p) => isOfFamily(p.hostIp, publishes));
    });
    const to = targets[0]?.attached;
    if (to === undefined) throw refusal(`container ${taker.name} is in no network that publishes ports`);
    if (targets.length > 1) throw apart(taker, giver);
    return [{ from, to }];
  });
  if (moves.length === 0) throw refusal(`container ${giver.name} has no published ports`);
  if (new Set(moves.map((m) => m.to)).size < moves.length) throw apart(taker, giver);
  return moves;
}

const apart = (taker: ContainerRecord, giver: ContainerRecord): Fault =>
  refusal(
    `only one of the containers ${giver.name} and ${taker.name} publishes IPv4 and IPv6 in two networks`,
  );

/** Moves the ports; returns the endpoints as they are then. What fails moves none. */
async function moveAll(context: ContainerContext, moves: readonly PortMove[]): Promise<PortMove[]> {
  const done: PortMove[] = [];
  await using undo = new AsyncDisposableStack();
  for (const { from, to } of moves) {
    const moved = await context.networks.movePorts(from, to);
    done.push(moved);
    undo.defer(async () => {
      await context.networks.movePorts(moved.to, moved.from);
    });
  }
  undo.move();
  return done;
}

/** Opens ports, instead of those that are, in the container's networks other than `moved` where these are routed; returns all endpoints. */
async function openElsewhere(
  context: ContainerContext,
  record: ContainerRecord,
  add: readonly PortRequest[],
  moved: readonly AttachedEndpoint[],
): Promise<NetworkEndpoint[]> {
  const endpoints: NetworkEndpoint[] = [];
  for (const e of record.endpoints) {
    const attached = moved.find((m) => m.endpointId === e.attached?.endpointId);
    if (attached !== undefined) endpoints.push({ ...e, attached });
    else if (e.attached === undefined) endpoints.push(e);
    else {
      const change = { remove: e.attached.ports, add, publishes: { ipv4: false, ipv6: false } };
      endpoints.push({ ...e, attached: await context.networks.changePorts(e.attached, change) });
    }
  }
  return endpoints;
}

function refusal(message: string): Fault {
  return new Fault("conflict", message, { code: "container.ports" });
}
