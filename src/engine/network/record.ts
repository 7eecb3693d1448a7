// What the store keeps of a network (table `networks`, key = id).

/** `bridge` networks have devices and addresses; `host` and `null` only exist to be named. */
export interface NetworkRecord {
  readonly version: 1;
  readonly id: string;
  readonly name: string;
  readonly driver: "bridge" | "host" | "null";
  /** RFC 3339. */
  readonly createdAt: string;
  /** CIDR; "" where the driver has no addresses. */
  readonly subnet: string;
  readonly gateway: string;
  /** Name of the bridge device; "" where there is none. */
  readonly bridgeName: string;
  readonly mtu: number;
  readonly isInternal: boolean;
  readonly hasMasquerade: boolean;
  readonly hasIcc: boolean;
  readonly options: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
}
