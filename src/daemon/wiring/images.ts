// Images, with the registries that they come from.
import { dirname, join } from "node:path";
import { PushedTable } from "../../engine/image/pushed.ts";
import { type RegistrySettings, Transfers } from "../../engine/image/registries.ts";
import { ImageService } from "../../engine/image/service.ts";
import { ImageTable } from "../../engine/image/table.ts";
import type { KeptStore } from "../../engine/kept/store.ts";
import { CERTS_DIR } from "../../registry/certificates.ts";
import type { Log } from "../log.ts";
import type { OpenConfig } from "../wiring.ts";
import type { Floor } from "./floor.ts";

/** The daemon's settings of registries, which a reload changes. */
export interface LiveRegistries extends RegistrySettings {
  mirrors: readonly string[];
  insecure: readonly string[];
}

export interface Images {
  readonly images: ImageService;
  readonly imageTable: ImageTable;
  readonly registries: LiveRegistries;
  readonly transfers: Transfers;
}

export async function openImages(
  { meta, layers, content, events }: Floor,
  config: OpenConfig,
  kept: KeptStore,
  log: Log,
): Promise<Images> {
  const transfers = new Transfers(config.transfers);
  const registries = {
    mirrors: config.registryMirrors,
    insecure: config.insecureRegistries,
    certsDirs: [join(dirname(config.configFile), "certs.d"), CERTS_DIR],
  };
  const imageTable = new ImageTable(meta, layers.holds);
  for (const { id } of await imageTable.removeBroken((layer) => layers.get(layer) !== undefined))
    log("warn", `image ${id} has lost layers and is removed: it can be pulled or built again`);
  const images = new ImageService({
    table: imageTable,
    layers,
    content,
    events,
    registries,
    transfers,
    pushed: new PushedTable(meta),
    kept,
  });
  return { images, imageTable, registries, transfers };
}
