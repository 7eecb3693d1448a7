// What this client is called and which release of Docker's command line it answers to. Next to nothing is imported here,
// so that --version loads nothing else.

import { BERTH_COMMIT, BERTH_VERSION } from "../lib/version.ts";

/** The release of Docker's CLI whose behaviour is followed; shown when invoked under the name docker. */
const DOCKER_CLI_VERSION = "28.2.2";

/** The line that --version prints. */
export function versionLine(program: string): string {
  return program === "docker"
    ? `Docker version ${DOCKER_CLI_VERSION}, build berth-${BERTH_VERSION}`
    : `Berth version ${BERTH_VERSION}, build ${BERTH_COMMIT}`;
}
