// The archive of `plugin create`: config.json and rootfs/, of which a layer is made. Names are hostile; only what is below rootfs/ is
// taken, and what leads out of it is refused where the layer is unpacked.
import type { UploadBody } from "../../api/call.ts";
import { compress, decompress } from "../../lib/compress/stream.ts";
import { Fault } from "../../lib/errors.ts";
import { MAX_PLUGIN_CONFIG_BYTES } from "../../lib/plugin-protocol/config.ts";
import type { TarEntry, TarEvent } from "../../lib/tar/entry.ts";
import { cleanName } from "../../lib/tar/names.ts";
import { readTar } from "../../lib/tar/reader.ts";
import { TAR_END, tarHeader, tarPadding } from "../../lib/tar/writer.ts";
import { MEDIA_TYPES } from "../../oci/mediatype.ts";
import type { LayerStore } from "../../storage/layer/store.ts";
import type { LayerLease, LayerRecord } from "../../storage/layer/types.ts";

const ROOT = "rootfs";
const CONFIG = "config.json";
const ZEROS = new Uint8Array(64 << 10);

export interface UploadedPlugin {
  readonly configText: string;
  readonly layer: LayerRecord;
}

/** Unpacks the archive. Fails with invalidParameter for one that lacks something, or is none. */
export async function receivePlugin(
  layers: LayerStore,
  body: UploadBody,
  { lease, signal }: { lease: LayerLease; signal: AbortSignal },
): Promise<UploadedPlugin> {
  const splitter = new Splitter();
  const { stream } = await decompress(body);
  const layer = await layers.unpack(compress(splitter.split(stream), "gzip"), null, {
    keepBlob: { mediaType: MEDIA_TYPES.dockerLayerGzip },
    lease,
    signal,
  });
  const { config } = splitter;
  if (config === undefined) throw invalid("config not found");
  return { configText: Buffer.concat(config).toString("utf8"), layer };
}

/** Passes rootfs/ on as an archive of its own, and keeps config.json. */
class Splitter {
  config: Buffer[] | undefined;
  #configBytes = 0;
  #hasRoot = false;
  /** Where the content of the current entry goes. */
  #target: "root" | "config" | "nowhere" = "nowhere";
  #sizeBytes = 0;

  async *split(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const events of readTar(source)) for (const event of events) yield* this.#take(event);
    if (!this.#hasRoot) throw invalid("no rootfs found");
    yield TAR_END;
  }

  *#take(event: TarEvent): Generator<Uint8Array> {
    switch (event.kind) {
      case "entry":
        yield* this.#begin(event.entry);
        return;
      case "data":
        if (this.#target === "root") yield event.bytes;
        if (this.#target === "config") this.#keep(event.bytes);
        return;
      case "hole":
        for (let left = event.sizeBytes; left > 0 && this.#target === "root"; left -= ZEROS.length)
          yield left < ZEROS.length ? ZEROS.subarray(0, left) : ZEROS;
        return;
      case "end":
        if (this.#target === "root") yield tarPadding(this.#sizeBytes);
        this.#target = "nowhere";
    }
  }

  *#begin(entry: TarEntry): Generator<Uint8Array> {
    const name = cleanName(entry.name);
    if (name === undefined)
      throw invalid(`entry ${JSON.stringify(entry.name.slice(0, 200))} is outside of the plugin`);
    if (name === CONFIG && entry.type === "file") {
      this.#target = "config";
      this.config = [];
      this.#configBytes = 0;
      return;
    }
    if (name !== ROOT && !name.startsWith(`${ROOT}/`)) return;
    if (name === ROOT && entry.type !== "directory") throw invalid("rootfs is no directory");
    this.#hasRoot = true;
    this.#target = "root";
    this.#sizeBytes = entry.type === "file" ? entry.sizeBytes : 0;
    yield tarHeader({ ...entry, name: below(name), linkName: linkOf(entry) });
  }

  #keep(bytes: Uint8Array): void {
    this.#configBytes += bytes.length;
    if (this.#configBytes > MAX_PLUGIN_CONFIG_BYTES)
      throw invalid(`failed to parse config: it is larger than ${MAX_PLUGIN_CONFIG_BYTES} bytes`);
    this.config?.push(Buffer.from(bytes));
  }
}

const below = (name: string): string => name.slice(ROOT.length + 1) || ".";

/** A hard link names another entry of the archive. */
function linkOf({ type, linkName }: TarEntry): string {
  if (type !== "hardlink") return linkName;
  const target = cleanName(linkName);
  if (target === undefined || !target.startsWith(`${ROOT}/`))
    throw invalid(`hard link to ${JSON.stringify(linkName.slice(0, 200))} leads out of rootfs`);
  return below(target);
}

function invalid(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "plugin.archive" });
}
