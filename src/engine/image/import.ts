// ImageCreate with fromSrc: a file system archive becomes an image of one layer (`docker import`).
import type { ProgressSink, UploadBody } from "../../api/call.ts";
import type { InputOf } from "../../api/contract.ts";
import type { imageCreate } from "../../api/operations/image.ts";
import { applyConfigChanges } from "../../build/graph/config-changes.ts";
import { Fault, messageOf } from "../../lib/errors.ts";
import { formatNano, nowNano } from "../../lib/time.ts";
import { encodeImageConfig, imageIdOf } from "../../oci/image-config.ts";
import { hostPlatform, parsePlatform } from "../../oci/platform.ts";
import { parseReference, type Reference, withDefaultTag, withTag } from "../../oci/reference.ts";
import { readText } from "../../registry/answers.ts";
import { progressReporter } from "./progress.ts";
import type { ImageRecord } from "./record.ts";
import type { ImageContext } from "./service.ts";

/** Imports an archive and returns the image with its name; fails with invalidParameter, leaves nothing behind. */
export async function importImage(
  context: ImageContext,
  input: InputOf<typeof imageCreate>,
  body: UploadBody,
  out: ProgressSink,
  signal: AbortSignal,
): Promise<{ image: ImageRecord; name: Reference | undefined }> {
  const name = nameOf(input);
  const source = input.fromSrc ?? "";
  if (source === "")
    throw new Fault(
      "invalidParameter",
      "fromImage or fromSrc is needed: an image to pull, or - or a URL to import",
      {
        code: "image.no-source",
      },
    );
  const archive = source === "-" ? { stream: body } : await download(source, out, signal);
  const created = formatNano(nowNano());
  const config = applyConfigChanges({}, input.changes);
  const comment = input.message ?? `Imported from ${source}`;
  using lease = context.layers.lease();
  const history = { created, comment };
  // As in a pull.
  const layer = await context.layers.unpack(archive.stream, null, {
    history,
    signal,
    lease,
    durable: false,
    ...("onProgress" in archive ? { onProgress: archive.onProgress } : {}),
  });
  const platform = input.platform === undefined ? hostPlatform() : parsePlatform(input.platform);
  const bytes = encodeImageConfig({
    architecture: platform.architecture,
    ...(platform.variant === undefined ? {} : { variant: platform.variant }),
    os: platform.os,
    created,
    config,
    diffIds: [layer.diffId],
    history: [{ created, comment }],
  });
  const image: ImageRecord = {
    version: 1,
    id: imageIdOf(bytes),
    configText: Buffer.from(bytes).toString("utf8"),
    layers: [layer.id],
    sizeBytes: layer.sizeBytes,
    repoDigests: [],
    parentId: "",
    isIntermediate: false,
  };
  await context.table.add(image, name === undefined ? [] : [name]);
  await out.write({ status: image.id });
  return { image, name };
}

function nameOf(input: InputOf<typeof imageCreate>): Reference | undefined {
  if (input.repo === undefined || input.repo === "") return undefined;
  const reference = parseReference(input.repo);
  if (reference.digest !== undefined)
    throw new Fault("invalidParameter", "cannot import digest reference", { code: "image.import-digest" });
  return input.tag === undefined || input.tag === ""
    ? withDefaultTag(reference)
    : withTag(reference, input.tag);
}

const KIND_OF_STATUS = {
  400: "invalidParameter",
  401: "unauthorized",
  403: "forbidden",
  404: "notFound",
} as const;

/** What is shown of an answer that refuses. */
const MAX_REFUSAL_TEXT = 1000;

interface Download {
  readonly stream: AsyncIterable<Uint8Array>;
  readonly onProgress: (bytes: number) => void;
}

async function download(source: string, out: ProgressSink, signal: AbortSignal): Promise<Download> {
  const url = URL.parse(/^https?:\/\//.test(source) ? source : `http://${source}`);
  // A host with an escape in it is a path that lost its way.
  if (url === null || /^(https?:\/\/)?[^/]*%/.test(source))
    throw new Fault("invalidParameter", `invalid source: ${source}`, { code: "image.import-source" });
  try {
    const response = await fetch(url, { signal });
    if (!response.ok || response.body === null) throw await refusal(url, response);
    await out.write({ status: `Downloading from ${url}` });
    const totalBytes = Number(response.headers.get("content-length") ?? 0);
    return { stream: response.body, onProgress: progressReporter(out, undefined, "Importing", totalBytes) };
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw new Fault("unavailable", `Get "${url}": ${messageOf(error)}`, { cause: error });
  }
}

async function refusal(url: URL, response: Response): Promise<Fault> {
  const text = (await readText(response)).slice(0, MAX_REFUSAL_TEXT);
  return new Fault(
    KIND_OF_STATUS[response.status as keyof typeof KIND_OF_STATUS] ?? "system",
    `failed to GET ${url} with status ${response.status} ${response.statusText}: ${text}`,
    { code: "image.import-source" },
  );
}
