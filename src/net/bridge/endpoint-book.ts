// The endpoints that a driver has attached, by id and by the device that each has on the host: notifications of the kernel name
// devices, and come with every container that ends.
import type { EndpointRecord } from "../model.ts";

/** A Map of endpoints by id; the device of one never changes. */
export class EndpointBook<State extends { readonly record: EndpointRecord }> {
  readonly #states = new Map<string, State>();
  readonly #devices = new Set<string>();

  get(endpointId: string): State | undefined {
    return this.#states.get(endpointId);
  }

  has(endpointId: string): boolean {
    return this.#states.has(endpointId);
  }

  hasDevice(name: string): boolean {
    return this.#devices.has(name);
  }

  /** Takes an endpoint in, or its new state. */
  set(state: State): void {
    this.#states.set(state.record.endpointId, state);
    this.#devices.add(state.record.hostIfName);
  }

  delete(endpointId: string): void {
    const state = this.#states.get(endpointId);
    if (state === undefined) return;
    this.#states.delete(endpointId);
    this.#devices.delete(state.record.hostIfName);
  }

  /** Returns all as they are now: what is taken in or out meanwhile does not matter to who goes through them. */
  values(): State[] {
    return [...this.#states.values()];
  }

  clear(): void {
    this.#states.clear();
    this.#devices.clear();
  }
}
