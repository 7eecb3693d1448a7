// The OCI configuration of a container's run, from its record and from what is there now: volumes, namespaces of others, devices.
import { generateSpec } from "../../../runtime/spec/generate.ts";
import type { SpecInput } from "../../../runtime/spec/input.ts";
import type { OciSpec } from "../../../runtime/spec/oci.ts";
import type { ContainerContext } from "../context.ts";
import { mountIdMaps } from "../mounts/idmap.ts";
import { specMounts, type VolumePlaces } from "../mounts/use.ts";
import { linkedEnvironment } from "../network/links.ts";
import type { ContainerRecord } from "../record.ts";
import { specForRuntime } from "../runtime/external.ts";
import { withRequestedDevices } from "./device-requests.ts";
import { namespaceOwner } from "../run/join.ts";
import { specInputOf } from "./input.ts";
import type { UsernsStart } from "../run/userns.ts";

/** Returns the configuration; one for an external runtime has its user in numbers. Throws Fault. */
export async function specOfRun(
  context: ContainerContext,
  record: ContainerRecord,
  { places, userns }: { places: VolumePlaces; userns: UsernsStart },
): Promise<{ spec: OciSpec; warnings: string[] }> {
  const { paths, layers } = context;
  const idMaps = await mountIdMaps(context, record, places);
  const mounts = specMounts(record, (m) => layers.overlayOf(m.layer ?? null), places, idMaps);
  const input = specInputOf(record, paths, (other, kind) => namespaceOwner(context, other, kind), mounts);
  const env = [...linkedEnvironment(context.table, record), ...input.env];
  const generated = generateSpec({ ...input, ...context.security, env, ...joining(input, userns) });
  const requests = record.hostConfig.DeviceRequests ?? [];
  const spec = await withRequestedDevices(generated.spec, requests, context.cdiSpecDirs);
  const { warnings } = generated;
  return {
    spec: record.external === undefined ? spec : await specForRuntime(context, record, spec),
    warnings,
  };
}

function joining(input: SpecInput, { path }: UsernsStart): Pick<SpecInput, "namespaces"> {
  return path === undefined ? {} : { namespaces: { ...input.namespaces, user: { kind: "path", path } } };
}
