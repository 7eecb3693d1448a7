// The rules of `linux.resources`: what becomes part of a cgroup file's name or of a line in one. Which limits the machine has
// is cgroup/'s matter.

import type { OciResources } from "../oci.ts";
import { invalid } from "./shape.ts";

/** Throws Fault invalidParameter. `at` is the path of the object in its document. */
export function checkResources(resources: OciResources, at: string): void {
  // compat: an `a` beside the letters is taken and means nothing, as with runc
  for (const [i, { access = "" }] of (resources.devices ?? []).entries())
    if (!/^(|(?=.*[rwm])[rwma]{1,4})$/.test(access))
      throw invalid(
        `${at}.devices[${i}].access`,
        `invalid access ${JSON.stringify(access)}`,
        "letters of rwm",
      );
  for (const name of ["cpus", "mems"] as const) {
    const list = resources.cpu?.[name] ?? "";
    // the kernel also knows steps (`0-15:2/4`): it decides on the meaning
    if (!/^[\d,:/ -]*$/.test(list))
      throw invalid(`${at}.cpu.${name}`, `invalid list ${JSON.stringify(list)}`, "such as 0-3,8");
  }
  for (const [i, { pageSize }] of (resources.hugepageLimits ?? []).entries())
    if (!/^\d{1,10}[KMGT]B$/.test(pageSize))
      throw invalid(
        `${at}.hugepageLimits[${i}].pageSize`,
        `invalid page size ${JSON.stringify(pageSize)}`,
        "such as 2MB",
      );
  const names = {
    "network.priorities": (resources.network?.priorities ?? []).map(({ name }) => name),
    rdma: Object.keys(resources.rdma ?? {}),
  };
  for (const [field, list] of Object.entries(names))
    for (const name of list)
      if (!/^[^\s/]{1,64}$/.test(name))
        throw invalid(
          `${at}.${field}`,
          `${JSON.stringify(name)} is no name of a device`,
          "no blanks, no slashes",
        );
}
