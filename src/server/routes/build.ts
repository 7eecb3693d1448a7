// Binds the builder operations to the engine's build port.

import * as operations from "../../api/operations/build.ts";
import type { BuildPort } from "../ports.ts";
import { answer, hijacked, type Route, uploadProgress } from "../route.ts";

export function buildRoutes(port: BuildPort): Route[] {
  return [
    uploadProgress(operations.imageBuild, port.build?.bind(port)),
    answer(operations.buildPrune, port.prune?.bind(port)),
    answer(operations.buildCancel, port.cancel?.bind(port)),
    hijacked(operations.buildSession, port.session?.bind(port)),
    hijacked(operations.buildControl, port.control?.bind(port)),
  ];
}
