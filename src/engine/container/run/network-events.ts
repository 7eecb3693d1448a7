// The network events of a container's run: which network it has joined and left. compat: the networks `host` and `none` are
// joined, too, although nothing is plugged in; a network of another container is not.
import type { NetworkRecord } from "../../network/record.ts";
import type { ContainerContext } from "../context.ts";
import type { ContainerRecord } from "../record.ts";

type Context = Pick<ContainerContext, "events" | "networks">;

/** Publishes that a container joins a network, or leaves it. */
export function publishNetwork(
  context: Pick<Context, "events">,
  record: ContainerRecord,
  action: "connect" | "disconnect",
  network: Pick<NetworkRecord, "id" | "name" | "driver">,
): void {
  context.events.publish({
    type: "network",
    action,
    actorId: network.id,
    attributes: { container: record.id, name: network.name, type: network.driver },
  });
}

/** Returns the network without endpoints that a container runs in, undefined for one with an endpoint. */
export function plainNetworkOf(context: Context, record: ContainerRecord): NetworkRecord | undefined {
  const { NetworkMode } = record.hostConfig;
  return NetworkMode === "host" || NetworkMode === "none" ? context.networks.find(NetworkMode) : undefined;
}
