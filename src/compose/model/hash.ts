// Configuration hashes: of a service without what does not concern its containers, of a network, of a volume. They are
// those that Docker Compose computes, so that neither tool recreates what the other has made.

import { createHash } from "node:crypto";
import { network as networkShape, volume as volumeShape } from "../schema/file.ts";
import { service as serviceShape } from "../schema/service.ts";
import { defined, type NetworkSpec, type Service, type VolumeSpec } from "./project.ts";
import { renderJson } from "./render-json.ts";

/** Returns the hash of a service, whose environment has been resolved. */
export function serviceHash(service: Service): string {
  const { build: _, pull_policy: _p, scale: _s, depends_on: _d, profiles: _f, ...rest } = service;
  const { deploy } = rest;
  const counted =
    deploy === undefined ? rest : { ...rest, deploy: defined({ ...deploy, replicas: undefined }) };
  return sha256(renderJson(serviceShape, counted));
}

/** Returns the hash of a network. */
export function networkHash(network: NetworkSpec): string {
  return sha256(renderJson(networkShape, network));
}

/** Returns the hash of a volume. */
export function volumeHash(volume: VolumeSpec): string {
  return sha256(renderJson(volumeShape, { ...volume, driver: volume.driver || "local" }));
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
