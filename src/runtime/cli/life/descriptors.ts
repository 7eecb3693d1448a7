// Descriptors that a container's process inherits besides stdio: those of socket activation ($LISTEN_FDS), then --preserve-fds.

import { readlinkSync } from "node:fs";
import { Fault } from "../../../lib/errors.ts";

const FIRST = 3;

export interface Inherited {
  fds: number[];
  /** For the process: how many of them are sockets to listen on (sd_listen_fds(3)). */
  env: string[];
}

/** Decides which. Throws Fault when one that should be passed on was not given to us. */
export function inheritedDescriptors(
  preserve: number,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Inherited {
  const listening =
    env["LISTEN_PID"] === String(process.pid) || !env["LISTEN_PID"] ? Number(env["LISTEN_FDS"] ?? 0) : 0;
  const listen = Number.isSafeInteger(listening) && listening > 0 ? listening : 0;
  const fds = Array.from({ length: listen + preserve }, (_, i) => FIRST + i);
  for (const fd of fds.slice(listen))
    if (!isInherited(fd)) {
      throw new Fault(
        "invalidParameter",
        `unable to stat preserved-fd ${fd - FIRST - listen} (of ${preserve}): stat /proc/self/fd/${fd}: no such file or directory`,
        { code: "runtime.preserve-fds" },
      );
    }
  return { fds, env: listen > 0 ? [`LISTEN_FDS=${listen}`, "LISTEN_PID=1"] : [] };
}

/** bun: descriptors of its event loop are open by now, too; nothing else tells those of our caller from ours. */
function isInherited(fd: number): boolean {
  try {
    return !/^anon_inode:\[(eventpoll|eventfd|timerfd)\]$/.test(readlinkSync(`/proc/self/fd/${fd}`));
  } catch {
    return false; // ignored: it is not open
  }
}
