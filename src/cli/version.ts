// What this client is called and which release of Docker's command line it answers to. Nothing is imported here,
// so that --version loads nothing else.

/** Berth's own version. */
export const BERTH_VERSION = "0.1.0";

/** The release of Docker's CLI whose behaviour is followed; shown when invoked under the name docker. */
export const DOCKER_CLI_VERSION = "28.2.2";

/** The line that --version prints. */
export function versionLine(program: string): string {
  return program === "docker"
    ? `Docker version ${DOCKER_CLI_VERSION}, build berth-${BERTH_VERSION}`
    : `Berth version ${BERTH_VERSION}`;
}
