// Binds the container operations to the engine's container port.

import * as operations from "../../api/operations/container.ts";
import { isAtLeast } from "../../lib/version-order.ts";
import type { ContainerPort } from "../ports.ts";
import {
  answer,
  answerOrBegin,
  archiveStream,
  byteStream,
  hijacked,
  jsonLines,
  outputStream,
  pendingAnswer,
  type Route,
  receive,
} from "../route.ts";

/** Since API 1.42 a websocket's client says which streams it wants; before, it gets all of them. */
function attachWebsocket(port: ContainerPort): ContainerPort["attach"] {
  if (port.attach === undefined) return undefined;
  return (input, hijack, call) => {
    const all = isAtLeast(call.version, "1.42") ? {} : { stdin: true, stdout: true, stderr: true };
    return (port.attach as NonNullable<ContainerPort["attach"]>)({ ...input, ...all }, hijack, call);
  };
}

export function containerRoutes(port: ContainerPort): Route[] {
  return [
    answer(operations.containerList, port.list?.bind(port)),
    answerOrBegin(operations.containerCreate, port.create?.bind(port), port.run?.bind(port)),
    answer(operations.containerInspect, port.inspect?.bind(port)),
    answer(operations.containerTop, port.top?.bind(port)),
    outputStream(operations.containerLogs, port.logs?.bind(port)),
    answer(operations.containerChanges, port.changes?.bind(port)),
    byteStream(operations.containerExport, port.export?.bind(port)),
    jsonLines(operations.containerStats, port.stats?.bind(port), { isSingle: (input) => !input.stream }),
    answer(operations.containerResize, port.resize?.bind(port)),
    answer(operations.containerStart, port.start?.bind(port)),
    answer(operations.containerCheckpoint, port.checkpoint?.bind(port)),
    answer(operations.containerCheckpoints, port.checkpoints?.bind(port)),
    answer(operations.containerStop, port.stop?.bind(port)),
    answer(operations.containerRestart, port.restart?.bind(port)),
    answer(operations.containerKill, port.kill?.bind(port)),
    answer(operations.containerUpdate, port.update?.bind(port)),
    answer(operations.containerRename, port.rename?.bind(port)),
    answer(operations.containerTakePorts, port.takePorts?.bind(port)),
    answer(operations.containerPause, port.pause?.bind(port)),
    answer(operations.containerUnpause, port.unpause?.bind(port)),
    hijacked(operations.containerAttach, port.attach?.bind(port)),
    hijacked(operations.containerAttachWebsocket, attachWebsocket(port)),
    pendingAnswer(operations.containerWait, port.wait?.bind(port)),
    answer(operations.containerCheckpointDelete, port.deleteCheckpoint?.bind(port)),
    answer(operations.containerDelete, port.delete?.bind(port)),
    answer(operations.containerArchiveInfo, port.archiveInfo?.bind(port)),
    archiveStream(
      operations.containerArchive,
      operations.containerArchiveInfo.success.header,
      port.archive?.bind(port),
    ),
    receive(operations.putContainerArchive, port.putArchive?.bind(port)),
    answer(operations.containerPrune, port.prune?.bind(port)),
    answer(operations.imageCommit, port.commit?.bind(port)),
  ];
}
