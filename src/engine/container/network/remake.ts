// The device of a running container that somebody has removed is made again, with the addresses, routes and sysctls that it had.
import type { EndpointRecord } from "../../../net/model.ts";
import { openHostNamespace } from "../../../net/sandbox/endpoint.ts";
import type { ContainerContext } from "../context.ts";
import { isRunning } from "../record.ts";
import { enterNamespace, gatewaysOf, NETNS, placesOf, wishOf } from "./sandbox.ts";

/** Makes it again; false when it is there, or the container has ended. Fails as the kernel does. */
export async function remakeDevice(context: ContainerContext, lost: EndpointRecord): Promise<boolean> {
  if (context.table.get(lost.containerId) === undefined) return false;
  const live = context.table.live(lost.containerId);
  return live.lane.run(async () => {
    const record = context.table.get(lost.containerId);
    if (record === undefined || live.run === null || !isRunning(record)) return false;
    const places = placesOf(context.networks, record.endpoints);
    const place = places.find(({ endpoint }) => endpoint.attached?.endpointId === lost.endpointId);
    const attached = place?.endpoint.attached;
    if (place === undefined || attached === undefined) return false;
    const given = { ifName: attached.ifName ?? "eth0", gateways: gatewaysOf(places), ports: [] };
    const ops = await context.networks.planRemake(attached, wishOf(record, place, given), NETNS);
    if (ops.length === 0) return false;
    await context.keel.run([enterNamespace(record), openHostNamespace(), ...ops]);
    return true;
  });
}
