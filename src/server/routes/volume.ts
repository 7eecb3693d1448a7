// Binds the volume operations to the engine's volume port.

import * as operations from "../../api/operations/volume.ts";
import type { VolumePort } from "../ports.ts";
import { answer, byteStream, progress, receive, type Route } from "../route.ts";

export function volumeRoutes(port: VolumePort): Route[] {
  return [
    answer(operations.volumeList, port.list?.bind(port)),
    answer(operations.volumeCreate, port.create?.bind(port)),
    answer(operations.volumeInspect, port.inspect?.bind(port)),
    answer(operations.volumeUpdate, port.update?.bind(port)),
    answer(operations.volumeDelete, port.delete?.bind(port)),
    answer(operations.volumePrune, port.prune?.bind(port)),
    byteStream(operations.volumeExport, port.export?.bind(port)),
    receive(operations.volumeImport, port.import?.bind(port)),
    progress(operations.volumeClone, port.clone?.bind(port)),
    progress(operations.volumeSnapshotCreate, port.snapshotCreate?.bind(port)),
    answer(operations.volumeSnapshotDelete, port.snapshotDelete?.bind(port)),
    progress(operations.volumeSnapshotRestore, port.snapshotRestore?.bind(port)),
  ];
}
