// Which of a container's networks gives it the default route, and with that its published ports. Pure.
// Source: docker network connect reference ("--gw-priority"), libnetwork sandbox.go for the order.

/** What the choice looks at. */
export interface GatewayCandidate {
  readonly networkName: string;
  /** `gw-priority`, the highest wins. */
  readonly priority: number;
  readonly isInternal: boolean;
  /** The network offers a next hop in the family. */
  readonly hasIpv4: boolean;
  readonly hasIpv6: boolean;
}

/** The chosen candidates by family, undefined where none offers a way out. */
export interface GatewayChoice<T> {
  readonly ipv4: T | undefined;
  readonly ipv6: T | undefined;
}

/** Returns the networks of the default routes: by priority, then both families before one, then by name. */
export function chooseGateways<T extends GatewayCandidate>(candidates: readonly T[]): GatewayChoice<T> {
  const families = (c: T): number => Number(c.hasIpv4) + Number(c.hasIpv6);
  const ordered = [...candidates].sort(
    (a, b) =>
      b.priority - a.priority ||
      Number(a.isInternal) - Number(b.isInternal) ||
      families(b) - families(a) ||
      (a.networkName < b.networkName ? -1 : 1),
  );
  return {
    ipv4: ordered.find((c) => c.hasIpv4 && !c.isInternal),
    ipv6: ordered.find((c) => c.hasIpv6 && !c.isInternal),
  };
}
