// Binds the operations behind `explain` to the engine's facts port.

import * as operations from "../../api/operations/facts.ts";
import type { FactsPort } from "../ports.ts";
import { answer, type Route } from "../route.ts";

export function factsRoutes(port: FactsPort): Route[] {
  return [
    answer(operations.containerFacts, port.container?.bind(port)),
    answer(operations.portFacts, port.port?.bind(port)),
    answer(operations.diskFacts, port.disk?.bind(port)),
  ];
}
