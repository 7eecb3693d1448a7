// A container's own egress policy: a label, so that every client and Compose can set it. It only takes away: what its networks
// do not let out it does not either. Where packets do not pass the host's firewall it is refused, not ignored.
import type { ContainerConfig } from "../../../api/schemas/container.ts";
import { Fault } from "../../../lib/errors.ts";
import { parseEgressPolicy } from "../../../net/egress/policy.ts";
import { EGRESS_LABEL } from "../../network/options.ts";
import { isPredefined, type NetworkRecord } from "../../network/record.ts";
import type { ContainerRecord } from "../record.ts";

/** Returns the policy's text, as part of a wish for an endpoint. */
export function egressOf({ config }: { config: Pick<ContainerConfig, "Labels"> }): { egress?: string } {
  const egress = config.Labels?.[EGRESS_LABEL];
  return egress === undefined ? {} : { egress };
}

/** Refuses the policy of a new container that is none, or that could not be kept in its networks, with invalidParameter. */
export function checkNewEgress(
  { config, hostConfig }: Pick<ContainerRecord, "config" | "hostConfig">,
  networks: readonly NetworkRecord[],
): void {
  const { egress } = egressOf({ config });
  if (egress === undefined) return;
  checkEgress(egress, hostConfig.NetworkMode, networks);
  if (parseEgressPolicy(egress).names.length > 0 && networks.every((n) => isPredefined(n.name)))
    throw refusal("domain names in an egress policy need the name service of a user-defined network");
}

/** The same for networks that are to be joined. */
export function checkEgress(
  egress: string | undefined,
  networkMode: string,
  networks: readonly Pick<NetworkRecord, "name" | "driver">[],
): void {
  if (egress === undefined) return;
  parseEgressPolicy(egress);
  if (networkMode.startsWith("container:"))
    throw refusal(
      `an egress policy cannot be kept in network mode ${networkMode}: it is the other container's`,
    );
  const open = networks.find((n) => n.driver !== "bridge" && n.driver !== "null");
  if (open !== undefined)
    throw refusal(
      `an egress policy cannot be kept in network ${open.name} (${open.driver}): only in bridge networks`,
    );
}

const refusal = (message: string): Fault =>
  new Fault("invalidParameter", message, { code: "network.egress" });
