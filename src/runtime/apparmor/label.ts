// The AppArmor profile of a process as the operation that has the kernel change to it at exec.

import { Fault } from "../../lib/errors.ts";
import { inner, type Op } from "../../linux/ops.ts";
import { loadSpecHost, type SpecHost } from "../spec/host.ts";
import type { OciProcess } from "../spec/oci.ts";
import { UNCONFINED } from "./choose.ts";

/** Returns the operation, if any. Throws Fault invalidParameter for a profile where the kernel has none. */
export function planAppArmor(
  { apparmorProfile: profile }: Pick<OciProcess, "apparmorProfile">,
  host: Pick<SpecHost, "hasAppArmor"> = loadSpecHost(),
): Op[] {
  if (!profile || (profile === UNCONFINED && !host.hasAppArmor)) return [];
  if (!host.hasAppArmor) {
    throw new Fault(
      "invalidParameter",
      `apparmor profile "${profile}": AppArmor is not enabled on this machine`,
      {
        code: "container.apparmor",
      },
    );
  }
  return [inner.execLabel("apparmor", `exec ${profile}`)];
}
