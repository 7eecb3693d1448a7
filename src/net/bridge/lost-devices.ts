// Devices of running containers that somebody has removed. The driver finds them, who knows the container makes them again: one
// attempt at a time for each, and the next one later if it is gone again, so that a container which may remove its own
// device, and does, keeps nobody busy.

import { setTimeout as sleep } from "node:timers/promises";
import { messageOf } from "../../lib/errors.ts";
import type { EndpointRecord } from "../model.ts";

const FIRST_PAUSE_MS = 1000;
const LAST_PAUSE_MS = 60_000;

/** Makes the device of an endpoint again; false when it is there, or the container has ended. */
export type RemakeDevice = (endpoint: EndpointRecord) => Promise<boolean>;

export interface LostDevicesOptions {
  remake: RemakeDevice;
  /** Whether an endpoint is to have a device, and has none. */
  isLost(endpointId: string): Promise<boolean>;
  log(line: string): void;
}

export class LostDevices {
  readonly #options: LostDevicesOptions;
  /** Endpoints that are looked after. */
  readonly #underWay = new Set<string>();

  constructor(options: LostDevicesOptions) {
    this.#options = options;
  }

  /** Looks after an endpoint until it has its device. Returns at once. */
  take(endpoint: EndpointRecord): void {
    const { endpointId } = endpoint;
    if (this.#underWay.has(endpointId)) return;
    this.#underWay.add(endpointId);
    void this.#follow(endpoint).finally(() => this.#underWay.delete(endpointId));
  }

  async #follow(endpoint: EndpointRecord): Promise<void> {
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(LAST_PAUSE_MS, 2 * pauseMs)) {
      await this.#remake(endpoint);
      await sleep(pauseMs, undefined, { ref: false });
      const isLost = await this.#options.isLost(endpoint.endpointId).catch(() => false); // ignored: the driver is closed
      if (!isLost) return;
    }
  }

  async #remake(endpoint: EndpointRecord): Promise<void> {
    const options = this.#options;
    const what = `device ${endpoint.ifName ?? "eth0"} of container ${endpoint.containerId.slice(0, 12)} was removed`;
    try {
      if (await options.remake(endpoint)) options.log(`${what}: made as it was`);
    } catch (error) {
      options.log(`${what}, and cannot be made as it was: ${messageOf(error)}`);
    }
  }
}
