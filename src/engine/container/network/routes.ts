// The default routes of a running container as the kernel has them: whoever is in there may have changed them.
import { Fault, SysError } from "../../../lib/errors.ts";
import { AF_INET, AF_INET6 } from "../../../linux/netlink/address.ts";
import { NETLINK_ROUTE, netlinkOp } from "../../../linux/netlink/message.ts";
import { decodeRoutes, dumpRoutes, type Route } from "../../../linux/netlink/route.ts";
import { type DefaultRoute, interfaceIndex } from "../../../net/sandbox/endpoint.ts";
import type { ContainerContext } from "../context.ts";
import type { ContainerRecord } from "../record.ts";
import { enterNamespace, NETNS } from "./sandbox.ts";

const EEXIST = 17;

/** Returns those of the routes that stand: one goes with its device, and when that is down. */
export async function standingRoutes(
  context: ContainerContext,
  record: ContainerRecord,
  routes: readonly DefaultRoute[],
): Promise<DefaultRoute[]> {
  if (routes.length === 0) return [];
  const standing = await defaultRoutes(context, record);
  return routes.filter((r) =>
    standing.some((s) => s.gateway === r.gateway && s.index === interfaceIndex(r.ifName)),
  );
}

/** Says of a failed connection that the container has made a default route of its own, where that is the reason. */
export async function withRouteReason(
  context: ContainerContext,
  record: ContainerRecord,
  error: unknown,
): Promise<unknown> {
  if (!(error instanceof SysError) || error.op !== "netlink" || error.errno !== EEXIST) return error;
  if ((await defaultRoutes(context, record)).length === 0) return error;
  // compat: docker's text
  return new Fault("system", "updating gateway endpoint: failed to set gateway: file exists", {
    code: "network.gateway-taken",
    cause: error,
  });
}

async function defaultRoutes(context: ContainerContext, record: ContainerRecord): Promise<Route[]> {
  const { results } = await context.keel.run([
    enterNamespace(record),
    ...([AF_INET, AF_INET6] as const).map((family) => netlinkOp(NETLINK_ROUTE, NETNS, [dumpRoutes(family)])),
  ]);
  return results
    .slice(1)
    .flatMap((bytes) => decodeRoutes(bytes as Uint8Array))
    .filter((r) => r.destination.endsWith("/0"));
}
