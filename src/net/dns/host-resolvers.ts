// The name servers of the host, as its resolv.conf says now: looked at again when a question comes, at most once a second,
// so that a laptop's new network is known at once and nothing has to be watched. Asked from the host's own namespace, also
// systemd-resolved's stub at 127.0.0.53 works, with what it knows of VPNs and split domains.

import { readFile, stat } from "node:fs/promises";
import { parseResolvConf } from "./resolv-conf.ts";
import { DNS_PORT, type Server } from "./transport.ts";

const LOOK_AGAIN_MS = 1000;
/** resolv.conf(5): without an entry the name server is on the local machine. */
const LOCAL: readonly string[] = ["127.0.0.1"];

export interface HostResolversOptions {
  path?: string;
  port?: number;
  now?: () => number;
}

/** Follows the host's resolv.conf. */
export class HostResolvers {
  readonly #path: string;
  readonly #port: number;
  readonly #now: () => number;
  #servers: readonly Server[] = [];
  #stamp = "";
  #lookedAt = -Infinity;
  #looking: Promise<void> | undefined;

  constructor(options: HostResolversOptions = {}) {
    this.#path = options.path ?? "/etc/resolv.conf";
    this.#port = options.port ?? DNS_PORT;
    this.#now = options.now ?? (() => performance.now());
  }

  /** Returns the servers; the same list until the file changes. */
  async servers(): Promise<readonly Server[]> {
    if (this.#now() - this.#lookedAt >= LOOK_AGAIN_MS)
      await (this.#looking ??= this.#look().finally(() => {
        this.#looking = undefined;
      }));
    return this.#servers;
  }

  async #look(): Promise<void> {
    const stamp = await stampOf(this.#path);
    if (stamp !== this.#stamp) {
      const text = await readFile(this.#path, "utf8").catch(() => ""); // ignored: missing is as good as empty
      const { nameservers } = parseResolvConf(text);
      this.#servers = (nameservers.length > 0 ? nameservers : LOCAL).map((address) => ({
        address,
        port: this.#port,
      }));
      this.#stamp = stamp;
    }
    this.#lookedAt = this.#now();
  }
}

async function stampOf(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeMs, ctimeMs } = await stat(path);
    return [dev, ino, size, mtimeMs, ctimeMs].join(" ");
  } catch {
    return "missing"; // ignored: that is an answer, too
  }
}
