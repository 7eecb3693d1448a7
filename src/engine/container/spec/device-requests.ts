// Devices that are asked for by name: those of CDI specifications (`--device vendor.com/class=name`), and GPUs (`--gpus`), which are CDI
// devices of their vendors.
import type { DeviceRequest } from "../../../api/schemas/host-config.ts";
import { Fault } from "../../../lib/errors.ts";
import { withCdiDevices } from "../../../runtime/cdi/inject.ts";
import { type CdiCatalogue, loadCdiDevices } from "../../../runtime/cdi/load.ts";
import { loadSpecHost } from "../../../runtime/spec/host.ts";
import type { OciSpec } from "../../../runtime/spec/oci.ts";

/** Returns the specification with the devices of these requests. Throws a Fault in Docker's words for what cannot be had. */
export async function withRequestedDevices(
  spec: OciSpec,
  requests: readonly DeviceRequest[],
  cdiSpecDirs: readonly string[],
): Promise<OciSpec> {
  if (requests.length === 0) return spec;
  const catalogue = await loadCdiDevices(cdiSpecDirs);
  const ids = requests.flatMap((request) => cdiIdsOf(request, cdiSpecDirs, catalogue));
  return withCdiDevices(spec, [...new Set(ids)], catalogue, loadSpecHost());
}

function cdiIdsOf(
  request: DeviceRequest,
  cdiSpecDirs: readonly string[],
  catalogue: CdiCatalogue,
): readonly string[] {
  if (request.Driver !== "cdi") return gpuIdsOf(request, catalogue);
  const failed = (why: string, kind: "invalidParameter" | "system" = "invalidParameter") =>
    new Fault(kind, why, { code: "container.cdi-request" });
  if (cdiSpecDirs.length === 0)
    throw failed("CDI device injection failed: no CDI specification directories specified", "system");
  if (request.Count !== 0) throw failed("unexpected count in CDI device request");
  if (Object.keys(request.Options ?? {}).length > 0) throw failed("unexpected options in CDI device request");
  return request.DeviceIDs ?? [];
}

/** Kind of the devices that a vendor's tool writes for his GPUs, and the driver that names him. */
const GPUS = [
  { driver: "nvidia", kind: "nvidia.com/gpu" },
  { driver: "amd", kind: "amd.com/gpu" },
] as const;

/** `--gpus`: all, a number of them or some by name; of the first vendor whose devices are there. */
function gpuIdsOf(request: DeviceRequest, { devices }: CdiCatalogue): readonly string[] {
  const asksForGpu = (request.Capabilities ?? []).some((all) => all.includes("gpu"));
  const vendor = GPUS.find(
    ({ driver, kind }) =>
      (request.Driver === driver || (request.Driver === "" && asksForGpu)) &&
      [...devices.keys()].some((id) => id.startsWith(`${kind}=`)),
  );
  if (vendor === undefined) throw noDriver(request);
  const named = (names: readonly string[]) => names.map((name) => `${vendor.kind}=${name}`);
  if (request.DeviceIDs?.length) return named(request.DeviceIDs);
  if (request.Count < 0) return named(["all"]);
  return named(Array.from({ length: request.Count }, (_, i) => `${i}`));
}

function noDriver(request: DeviceRequest): Fault {
  const capabilities = (request.Capabilities ?? []).map((all) => `[${all.join(" ")}]`).join(" ");
  return new Fault(
    "system",
    `could not select device driver "${request.Driver}" with capabilities: [${capabilities}]`,
    { code: "container.no-device-driver" },
  );
}
