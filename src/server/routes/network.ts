// Binds the network operations to the engine's network port.

import * as operations from "../../api/operations/network.ts";
import type { NetworkPort } from "../ports.ts";
import { answer, type Route } from "../route.ts";

export function networkRoutes(port: NetworkPort): Route[] {
  return [
    answer(operations.networkList, port.list?.bind(port)),
    answer(operations.networkInspect, port.inspect?.bind(port)),
    answer(operations.networkCreate, port.create?.bind(port)),
    answer(operations.networkDelete, port.delete?.bind(port)),
    answer(operations.networkConnect, port.connect?.bind(port)),
    answer(operations.networkDisconnect, port.disconnect?.bind(port)),
    answer(operations.networkPrune, port.prune?.bind(port)),
  ];
}
