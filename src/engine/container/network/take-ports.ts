// ContainerTakePorts, an extension: a running container takes the published ports of another over, with no moment in which a
// connection is refused. What makes `compose up --rolling` possible: the new container of a service is there and healthy
// before the old one loses its ports.
import { Fault } from "../../../lib/errors.ts";
import type { PortRequest } from "../../../net/model.ts";
import { type ContainerContext, publish } from "../context.ts";
import { type ContainerRecord, isRunning, type NetworkEndpoint } from "../record.ts";
import { gatewaysOf, placesOf, publisherOf, wantedPorts } from "./sandbox.ts";

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
  const from = giver.endpoints.find((e) => e.attached?.ports.some((p) => p.hostPort !== 0) === true);
  const to = publisherEndpoint(context, taker);
  if (from?.attached === undefined) throw refusal(`container ${giver.name} has no published ports`);
  if (to?.attached === undefined)
    throw refusal(`container ${taker.name} is in no network that publishes ports`);
  const moved = await context.networks.movePorts(from.attached, to.attached);
  const [given, taken] = [
    await openElsewhere(context, giver, [], from),
    await openElsewhere(context, taker, wantedPorts(giver), to),
  ];
  const withAttached = (all: readonly NetworkEndpoint[], changed: NetworkEndpoint): NetworkEndpoint[] =>
    all.map((e) => (e.networkName === changed.networkName ? changed : e));
  const { PortBindings, PublishAllPorts } = giver.hostConfig;
  const bare = { PortBindings: {}, PublishAllPorts: false };
  await context.table.put({
    ...taker,
    hostConfig: { ...taker.hostConfig, PortBindings, PublishAllPorts },
    endpoints: withAttached(taken, { ...to, attached: moved.to }),
  });
  await context.table.put({
    ...giver,
    hostConfig: { ...giver.hostConfig, ...bare },
    endpoints: withAttached(given, { ...from, attached: moved.from }),
  });
  publish(context, taker, "take-ports", { from: giverId });
}

/** Opens ports, instead of those that are, in the container's other networks where these are routed; returns all endpoints. */
async function openElsewhere(
  context: ContainerContext,
  record: ContainerRecord,
  add: readonly PortRequest[],
  publisher: NetworkEndpoint,
): Promise<NetworkEndpoint[]> {
  const endpoints: NetworkEndpoint[] = [];
  for (const e of record.endpoints)
    if (e === publisher || e.attached === undefined) endpoints.push(e);
    else {
      const change = { remove: e.attached.ports, add, isOnlyOpened: true };
      endpoints.push({ ...e, attached: await context.networks.changePorts(e.attached, change) });
    }
  return endpoints;
}

function publisherEndpoint(context: ContainerContext, record: ContainerRecord): NetworkEndpoint | undefined {
  return publisherOf(gatewaysOf(placesOf(context.networks, record.endpoints)))?.endpoint;
}

function refusal(message: string): Fault {
  return new Fault("conflict", message, { code: "container.ports" });
}
