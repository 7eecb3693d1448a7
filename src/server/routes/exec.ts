// Binds the exec operations to the engine's exec port.

import * as operations from "../../api/operations/exec.ts";
import type { ExecPort } from "../ports.ts";
import { answer, answerOrBegin, hijacked, type Route } from "../route.ts";

export function execRoutes(port: ExecPort): Route[] {
  return [
    answerOrBegin(operations.containerExec, port.create?.bind(port), port.run?.bind(port), {
      showsErrors: true,
    }),
    hijacked(operations.execStart, port.start?.bind(port), {
      isDetached: (input) => input.body?.Detach === true,
      detached: port.startDetached?.bind(port),
      showsErrors: true,
    }),
    answer(operations.execResize, port.resize?.bind(port)),
    answer(operations.execInspect, port.inspect?.bind(port)),
  ];
}
