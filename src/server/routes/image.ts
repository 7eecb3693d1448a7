// Binds the image operations to the engine's image port. ImageCreate is two things by its parameters: pull and import.

import type { Call, ProgressSink, UploadBody } from "../../api/call.ts";
import type { InputOf } from "../../api/contract.ts";
import * as operations from "../../api/operations/image.ts";
import { distributionInspect } from "../../api/operations/system.ts";
import { Fault } from "../../lib/errors.ts";
import type { ImagePort } from "../ports.ts";
import { answer, byteStream, progress, type Route, uploadProgress } from "../route.ts";

type CreateInput = InputOf<typeof operations.imageCreate>;

function pullOrImport(port: ImagePort) {
  return async (input: CreateInput, body: UploadBody, out: ProgressSink, call: Call): Promise<void> => {
    const isPull = input.fromImage !== undefined;
    if (isPull && port.pull) return port.pull(input, out, call);
    if (!isPull && port.import) return port.import(input, body, out, call);
    throw new Fault(
      "notImplemented",
      `ImageCreate is not supported by this version for ${isPull ? "pull" : "import"}`,
    );
  };
}

/** compat: Docker says in the stream why an archive cannot be loaded, and what is wrong with the request before. */
const isOfArchive = (error: unknown): boolean =>
  !(error instanceof Fault && error.code === "platform.invalid");

export function imageRoutes(port: ImagePort): Route[] {
  const save = port.save?.bind(port);
  return [
    answer(operations.imageList, port.list?.bind(port)),
    answer(operations.imageInspect, port.inspect?.bind(port)),
    answer(operations.imageHistory, port.history?.bind(port)),
    answer(operations.imageAttestations, port.attestations?.bind(port)),
    answer(operations.imageDiff, port.diff?.bind(port)),
    uploadProgress(operations.imageCreate, pullOrImport(port)),
    progress(operations.imagePush, port.push?.bind(port)),
    answer(operations.imageTag, port.tag?.bind(port)),
    answer(operations.imageDelete, port.delete?.bind(port)),
    answer(operations.imageSearch, port.search?.bind(port)),
    answer(operations.imagePrune, port.prune?.bind(port)),
    byteStream(
      operations.imageGet,
      save && (({ name, platforms }, call) => save({ names: [name], platforms }, call)),
    ),
    byteStream(operations.imageGetAll, save),
    uploadProgress(operations.imageLoad, port.load?.bind(port), { failsInStream: isOfArchive }),
    answer(distributionInspect, port.distribution?.bind(port)),
  ];
}
