// What this builder says of itself to clients with BuildKit, which look there before they ask for something.
import { isAlwaysAllowed } from "../../build/graph/devices.ts";
import type { CdiCatalogue } from "../../runtime/cdi/load.ts";
import { hostPlatform } from "../../oci/platform.ts";

/** The one worker's id; builders of one daemon are the same. */
const WORKER_ID = "berth";
/** What clients may ask of the gateway. */
export const FRONTEND_CAPS = [
  "solve.base",
  "return",
  "returnmap",
  "importcaches",
  "proto.refarray",
  "frontend.caps",
  "frontend.inputs",
  "reference.output",
  "gateway.solve.metadata",
  "gateway.solve.evaluate",
  "gateway.evaluate",
  "gateway.warnings",
  "readfile",
  "statfile",
];
/** What builds may hold, as far as clients look before they ask. */
export const BUILD_CAPS = [
  "source.image",
  "source.image.resolvemode",
  "source.local",
  "source.local.unique",
  "source.local.sessionid",
  "source.local.includepatterns",
  "source.local.followpaths",
  "source.local.excludepatterns",
  "source.git",
  "source.git.fullurl",
  "source.git.keepgitdir",
  "source.git.subdir",
  "source.http",
  "meta.description",
  "exec.meta.base",
  "exec.meta.network",
  "exec.meta.security",
  "exec.meta.ulimit",
  "exec.meta.cgroup.parent",
  "exec.mount.bind",
  "exec.mount.cache",
  "exec.mount.tmpfs",
  "exec.mount.secret",
  "exec.mount.ssh",
  "exec.secretenv",
  "exec.meta.cdi",
  "file.base",
  "exporter.image.attestations",
  "exporter.multiple",
  "constraints",
  "platform",
  "gc.freespacefilter",
];
/** compat: the release of BuildKit whose Dockerfile frontend is spoken. */
export const BUILDKIT_VERSION = {
  package: "github.com/moby/buildkit",
  version: "v0.20.0",
  revision: "berth",
};

/**
 * compat: with this label buildx takes a daemon for one that keeps and pushes images of several platforms with their attestations, and writes
 * layouts, archives and caches; without it refuses all of that before it asks.
 */
const WORKER_LABELS = { "org.mobyproject.buildkit.worker.snapshotter": "overlayfs" };

/** Returns the one worker, which has these CDI devices. */
export function worker(devices: CdiCatalogue["devices"]) {
  return {
    id: WORKER_ID,
    labels: WORKER_LABELS,
    platforms: [{ ...hostPlatform() }],
    version: BUILDKIT_VERSION,
    devices: [...devices.values()].map((device) => ({
      name: device.id,
      isAutoAllowed: isAlwaysAllowed(device),
      annotations: { ...device.annotations },
    })),
  };
}
