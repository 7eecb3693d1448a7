// ContainerTakePorts, an extension: a running container takes the published ports of another over, with no moment in which a
// connection is refused. What makes `compose up --rolling` possible: the new container of a service is there and healthy
// before the old one loses its ports.
import { Fault } from "../../../lib/errors.ts";
import { type ContainerContext, publish } from "../context.ts";
import { type ContainerRecord, isRunning, type NetworkEndpoint } from "../record.ts";
import { gatewaysOf, placesOf, publisherOf } from "./sandbox.ts";

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
  const withAttached = (record: ContainerRecord, changed: NetworkEndpoint): NetworkEndpoint[] =>
    record.endpoints.map((e) => (e.networkName === changed.networkName ? changed : e));
  const { PortBindings, PublishAllPorts } = giver.hostConfig;
  const bare = { PortBindings: {}, PublishAllPorts: false };
  await context.table.put({
    ...taker,
    hostConfig: { ...taker.hostConfig, PortBindings, PublishAllPorts },
    endpoints: withAttached(taker, { ...to, attached: moved.to }),
  });
  await context.table.put({
    ...giver,
    hostConfig: { ...giver.hostConfig, ...bare },
    endpoints: withAttached(giver, { ...from, attached: moved.from }),
  });
  publish(context, taker, "take-ports", { from: giverId });
}

function publisherEndpoint(context: ContainerContext, record: ContainerRecord): NetworkEndpoint | undefined {
  return publisherOf(gatewaysOf(placesOf(context.networks, record.endpoints)))?.endpoint;
}

function refusal(message: string): Fault {
  return new Fault("conflict", message, { code: "container.ports" });
}
