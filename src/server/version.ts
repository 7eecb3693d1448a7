// Which API version a request speaks: the optional /vN.NN prefix, and the refusal of versions outside the range.

import { API_VERSION, MIN_API_VERSION } from "../api/contract.ts";
import { compareVersions } from "../lib/version-order.ts";
import { Fault } from "../lib/errors.ts";

export interface VersionedPath {
  /** As the client wrote it; undefined when it wrote none. */
  readonly version: string | undefined;
  readonly path: string;
}

/** Splits `/v1.41/info` into version and path; a path without a version prefix is returned as it is. */
export function splitVersion(path: string): VersionedPath {
  const match = /^\/v([0-9.]+)(\/.*)$/s.exec(path);
  return match === null ? { version: undefined, path } : { version: match[1], path: match[2] ?? "/" };
}

/** The last version whose answers docker-compose 1 can read; it asks for the newest that there is all the same. */
const COMPOSE_1_VERSION = "1.44";

/**
 * Returns the version whose answers the client gets.
 * compat: docker-compose 1 ends with an error over images without ContainerConfig, which went with API 1.45.
 */
export function answerVersion(spoken: string, userAgent: string | undefined): string {
  const isCompose1 = /^docker-compose\/1\./.test(userAgent ?? "");
  return isCompose1 && compareVersions(spoken, COMPOSE_1_VERSION) > 0 ? COMPOSE_1_VERSION : spoken;
}

/** Returns the version to speak. Throws Fault(invalidParameter) with Docker's words when it is out of range. */
export function negotiateVersion(asked: string | undefined): string {
  if (asked === undefined) return API_VERSION;
  if (compareVersions(asked, MIN_API_VERSION) < 0) {
    throw new Fault(
      "invalidParameter",
      `client version ${asked} is too old. Minimum supported API version is ${MIN_API_VERSION}, please upgrade your client to a newer version`,
      { code: "api.version-too-old" },
    );
  }
  if (compareVersions(asked, API_VERSION) > 0) {
    throw new Fault(
      "invalidParameter",
      `client version ${asked} is too new. Maximum supported API version is ${API_VERSION}`,
      { code: "api.version-too-new" },
    );
  }
  return asked;
}
