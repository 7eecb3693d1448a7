// Binds the network operations to the engine's network port.

import { isAtLeast } from "../../lib/version-order.ts";
import * as operations from "../../api/operations/network.ts";
import type { NetworkPort } from "../ports.ts";
import { answer, type Route } from "../route.ts";

/** compat: networks without IPv4 came with API 1.48; what clients of older versions say of it is not heard. */
function create(port: NetworkPort): NetworkPort["create"] {
  if (port.create === undefined) return undefined;
  return (input, call) => {
    const adapted = isAtLeast(call.version, "1.48") ? input : { body: { ...input.body, EnableIPv4: null } };
    return (port.create as NonNullable<NetworkPort["create"]>)(adapted, call);
  };
}

export function networkRoutes(port: NetworkPort): Route[] {
  return [
    answer(operations.networkList, port.list?.bind(port)),
    answer(operations.networkInspect, port.inspect?.bind(port)),
    answer(operations.networkCreate, create(port)),
    answer(operations.networkDelete, port.delete?.bind(port)),
    answer(operations.networkConnect, port.connect?.bind(port)),
    answer(operations.networkDisconnect, port.disconnect?.bind(port)),
    answer(operations.networkPrune, port.prune?.bind(port)),
  ];
}
