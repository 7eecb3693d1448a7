// What Docker's command line asks a plugin: who it is.

import { BERTH_VERSION } from "../../../lib/version.ts";

/** The release of Docker Compose whose behaviour is followed; also the value of the version label. */
export const COMPOSE_VERSION = "2.40.3";

/** Returns the answer to `docker-cli-plugin-metadata`. */
export function composeMetadata(): string {
  const metadata = {
    SchemaVersion: "0.1.0",
    Vendor: "Berth",
    Version: `v${COMPOSE_VERSION}-berth.${BERTH_VERSION}`,
    ShortDescription: "Docker Compose",
  };
  return `${JSON.stringify(metadata, undefined, "     ")}\n`;
}
