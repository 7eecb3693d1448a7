// Containers' cgroups as scopes of systemd's: the daemon's `native.cgroupdriver=systemd`.
//
// A scope begins with a process. keel makes the cgroups where systemd would, and the container's first process, which waits in them; then systemd
// is told of both and finds everything in place. Since it writes what it takes for the limits, ours are written once more after that.

import { Fault } from "../../lib/errors.ts";
import { freezeCgroup, planThaw } from "../../linux/cgroupfs/freezer.ts";
import { readFreezerState } from "../../linux/cgroupfs/freezer-state.ts";
import { type CgroupHost, type CgroupPaths, isOrdinaryUser } from "../../linux/cgroupfs/hierarchy.ts";
import type { Op } from "../../linux/ops.ts";
import type { OciResources } from "../spec/oci.ts";
import type { Property } from "./annotations.ts";
import { Variant } from "../../lib/dbus/value.ts";
import { scopeHost } from "./host.ts";
import { withManager } from "./manager.ts";
import { startScope, stopScope, updateScope, withSystemdQuota } from "./scope.ts";
import { expandSlice } from "./unit.ts";

/** Where a scope is: `parent` and `id` as runtime/cgroup wants them. */
export interface ScopePlace {
  readonly parent: string;
  readonly id: string;
  readonly slice: string;
}

/** A unit that has failed, as one does of which the kernel has killed a process, goes as well. */
const COLLECTED: Property = ["CollectMode", new Variant("s", "inactive-or-failed")];

export class SystemdDriver {
  /** The hierarchies that scopes are in. */
  readonly host: CgroupHost;
  /** Of containers that name none. */
  readonly #slice: string;

  private constructor(host: CgroupHost, slice: string) {
    this.host = host;
    this.#slice = slice;
  }

  /** Throws Fault where no systemd answers, or `slice` is none; "" is the usual one. */
  static async open(slice: string): Promise<SystemdDriver> {
    const host = await scopeHost("native.cgroupdriver=systemd");
    await withManager(isOrdinaryUser(), (manager) => manager.version());
    const driver = new SystemdDriver(host, slice || (isOrdinaryUser() ? "user.slice" : "system.slice"));
    driver.place("", "any");
    return driver;
  }

  /** Returns the place of a container's scope; `slice` is what it asks for. Throws Fault for what is no slice. */
  place(slice: string, id: string): ScopePlace {
    const name = slice || this.#slice;
    try {
      return { parent: expandSlice(name), id: `docker-${id}.scope`, slice: name };
    } catch (error) {
      // compat: Docker's words
      throw new Fault(
        "invalidParameter",
        `cgroup-parent for systemd cgroup should be a valid slice named as "xxx.slice": ${name} is none`,
        { code: "container.cgroup-parent", cause: error },
      );
    }
  }

  /** Returns the limits as systemd rounds them, so that the files have the same. */
  limits(resources: OciResources): OciResources {
    return withSystemdQuota(resources);
  }

  /** Makes the scope of a container whose first process waits in its cgroups. Throws Fault. */
  async adopt(place: ScopePlace, start: { id: string; pid: number; resources: OciResources }): Promise<void> {
    const unit = { name: place.id, slice: place.slice };
    await startScope({ ...start, unit, host: this.host, properties: [COLLECTED] });
  }

  /** Tells systemd of other limits, before the files are written. `run` is LinuxAgent.run. */
  async update(
    place: ScopePlace,
    paths: CgroupPaths,
    change: OciResources,
    run: (ops: readonly Op[]) => Promise<unknown>,
  ): Promise<void> {
    const tell = () => updateScope(place.id, this.host, change);
    // In version 1 systemd sets the device rules anew, and for a moment nothing is allowed.
    if (paths.v1["freezer"] === undefined || readFreezerState(paths) !== "thawed") return await tell();
    await freezeCgroup(run, paths);
    try {
      await tell();
    } finally {
      await run(planThaw(paths));
    }
  }

  /** One that is gone is fine. */
  async stop(place: Pick<ScopePlace, "id">): Promise<void> {
    await stopScope(place.id);
  }
}
