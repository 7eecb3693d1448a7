// An OCI layout in a directory of the client's (`--output type=oci,tar=false`): blobs are written over the session, those that are there
// already are not; the client enters the result in the layout's index.
import type { ClientContent } from "../../../build/session/content.ts";
import type { Descriptor } from "../../../oci/manifest.ts";
import type { LayerStore } from "../../../storage/layer/store.ts";
import type { LayerRecord } from "../../../storage/layer/types.ts";
import type { IndexDocuments } from "./documents.ts";

/** compat: BuildKit's name for the directory. */
export const EXPORT_STORE = "export";

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** Writes layers and documents, and returns what the layout is to name: the index, or the one manifest that needs none. */
export async function writeLayout(
  to: ClientContent,
  { store, layers }: { readonly store: LayerStore; readonly layers: readonly LayerRecord[] },
  { blobs, manifests, index }: IndexDocuments,
  signal: AbortSignal,
): Promise<Descriptor> {
  for (const layer of layers)
    if (!(await to.has(layer.diffId, signal))) await to.write(store.pack(layer.id), signal);
  const [first, ...more] = manifests;
  const isOne = first !== undefined && more.length === 0;
  for (const { descriptor, bytes } of [...blobs, ...manifests, ...(isOne ? [] : [index])])
    if (!(await to.has(descriptor.digest, signal))) await to.write(once(bytes), signal);
  return isOne ? first.descriptor : index.descriptor;
}
