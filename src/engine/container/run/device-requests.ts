// `--gpus` and CDI devices: there is no driver for them, which Docker, too, says when the container is started.
import type { DeviceRequest } from "../../../api/schemas/host-config.ts";
import { Fault } from "../../../lib/errors.ts";

/** Refuses the first request, with Docker's text. */
export function refuseDeviceRequests([first]: readonly DeviceRequest[]): void {
  if (first === undefined) return;
  const capabilities = (first.Capabilities ?? []).map((all) => `[${all.join(" ")}]`).join(" ");
  throw new Fault(
    "system",
    `could not select device driver "${first.Driver}" with capabilities: [${capabilities}]`,
    { code: "container.no-device-driver" },
  );
}
