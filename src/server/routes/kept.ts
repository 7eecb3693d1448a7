// Binds the operations of `undo` to the engine's port.

import * as operations from "../../api/operations/kept.ts";
import type { KeptPort } from "../ports.ts";
import { answer, type Route } from "../route.ts";

export function keptRoutes(port: KeptPort): Route[] {
  return [
    answer(operations.keptList, port.list?.bind(port)),
    answer(operations.keptRestore, port.restore?.bind(port)),
    answer(operations.prunePreview, port.preview?.bind(port)),
    answer(operations.keptPrune, port.prune?.bind(port)),
  ];
}
