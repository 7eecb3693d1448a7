// The audit log: one line of JSON for each request and how it was judged, written before it runs. Bodies are not in it: they hold
// secrets. The file belongs to root alone and is only appended to.

import { closeSync, openSync, write } from "node:fs";
import { Fault, messageOf } from "../../lib/errors.ts";
import { formatNano, nowNano } from "../../lib/time.ts";
import { type Gate, type GatedRequest, tlsNameOf } from "./gate.ts";
import { type LookupPeer, Peers } from "./peer.ts";

/** Asked every few seconds by every client, and allowed to everybody. */
const UNTOLD = ["SystemPing", "SystemPingHead"];

export class AuditLog {
  readonly #fd: number;
  readonly #peers: Peers;
  readonly #log: (message: string) => void;

  /** Throws Fault invalidParameter when the file cannot be written: a daemon that is to be watched does not run unwatched. */
  constructor(path: string, lookupPeer: LookupPeer, log: (message: string) => void) {
    this.#peers = new Peers(lookupPeer);
    try {
      this.#fd = openSync(path, "a", 0o600);
    } catch (error) {
      throw new Fault("invalidParameter", `cannot open the audit log ${path}: ${messageOf(error)}`, {
        code: "daemon.config",
        cause: error,
      });
    }
    this.#log = log;
  }

  /** Returns the gates as one that writes down how they have judged. */
  watching(gates: readonly Gate[]): Gate {
    return {
      admit: async (request) => {
        try {
          for (const gate of gates) await gate.admit(request);
        } catch (error) {
          await this.#write(request, "deny", messageOf(error));
          throw error;
        }
        await this.#write(request, "allow", "");
      },
      async review(request, answer) {
        for (const gate of gates) await gate.review?.(request, answer);
      },
    };
  }

  async #write({ operation, req, socket }: GatedRequest, decision: string, reason: string): Promise<void> {
    if (UNTOLD.includes(operation.name)) return;
    const user = tlsNameOf(req);
    const peer = await this.#peers.of(req);
    const { remoteAddress } = req.socket;
    const line = JSON.stringify({
      time: formatNano(nowNano()),
      socket,
      ...(user === "" ? {} : { user }),
      ...(peer === undefined ? {} : { peer }),
      ...(remoteAddress === undefined ? {} : { address: remoteAddress }),
      operation: operation.name,
      method: req.method,
      uri: req.url,
      decision,
      ...(reason === "" ? {} : { reason }),
    });
    await new Promise<void>((resolve, reject) =>
      write(this.#fd, `${line}\n`, (error) => {
        if (error === null) return resolve();
        this.#log(`cannot write the audit log: ${messageOf(error)}`);
        reject(new Fault("unavailable", "the audit log cannot be written", { code: "audit.failed" }));
      }),
    );
  }

  close(): void {
    closeSync(this.#fd);
  }
}
