// ssh:// hosts: the connection is an ssh client that runs `system dial-stdio` on the other side, which leads to the daemon there.

import { Fault } from "../lib/errors.ts";

/** Runs on the remote host, in the user's shell there: Berth where it is installed, Docker otherwise. */
const dial = (options: string): string =>
  `if command -v berth >/dev/null 2>&1; then exec berth ${options}system dial-stdio; else exec docker ${options}system dial-stdio; fi`;

/** Says what is wrong with an ssh:// address; undefined when nothing is. */
export function sshUrlFlaw(host: string): string | undefined {
  if (!URL.canParse(host)) return "hostname is empty";
  const { password, hostname, search, hash } = new URL(host);
  if (password !== "") return "plain-text password is not supported";
  if (hostname === "") return "hostname is empty";
  if (search !== "") return `query parameters are not allowed: ${JSON.stringify(search.slice(1))}`;
  if (hash !== "") return `fragments are not allowed: ${JSON.stringify(hash.slice(1))}`;
  return undefined;
}

/**
 * Returns the command that connects to the daemon of `ssh://[user@]host[:port][/path-of-its-socket]`.
 * Throws Fault(invalidParameter, "host.invalid").
 */
export function sshCommand(host: string): string[] {
  const flaw = sshUrlFlaw(host);
  if (flaw !== undefined) {
    throw new Fault("invalidParameter", `ssh host connection is not valid: invalid SSH URL: ${flaw}`, {
      code: "host.invalid",
      detail: { host },
    });
  }
  const { username, hostname, port, pathname } = new URL(host);
  const path = decodeURIComponent(pathname);
  const socket = path === "" || path === "/" ? "" : `--host 'unix://${path.replaceAll("'", `'\\''`)}' `;
  return [
    "ssh",
    ...(username === "" ? [] : ["-l", decodeURIComponent(username)]),
    ...(port === "" ? [] : ["-p", port]),
    ...["-o", "ConnectTimeout=30", "-T", "--", hostname.replace(/^\[|\]$/g, ""), dial(socket)],
  ];
}
