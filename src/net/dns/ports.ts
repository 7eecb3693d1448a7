// What the name service asks of the engine, which knows containers and networks. engine/network/names.ts fills it; tests
// use names.fake.ts. All answers come from memory: a look-up never waits.

/** Knows who is called what, as each container sees it: only through the networks that it is in itself. */
export interface NameSource {
  /**
   * Returns the addresses, IPv4 and IPv6 as text, of a name in the first network of the container that knows it; undefined
   * when none does. `name` is in lower case without a trailing dot: a container's name, alias, short id or service name, or
   * one of these followed by `.` and the network's name, as Docker understands them. It may be any hostile text.
   */
  addressesOf(containerId: string, name: string): readonly string[] | undefined;
  /** Returns the full name ("web.backend") of an address of a container in one of the networks; undefined for others. */
  nameOf(containerId: string, address: string): string | undefined;
  /** Tells from now on whose answers to `addressesOf` and `nameOf` may have changed: containers' ids, as soon as they have. */
  observe(changed: (containerIds: Iterable<string>) => void): void;
  /** Says what becomes of names that no network of the container knows. */
  forwardingOf(containerId: string): Forwarding;
}

/** Egress policies as names meet them: ../bridge-driver.ts fills it. */
export interface NamePolicy {
  /** Whether a name, in lower case without a trailing dot, may be asked for outside on behalf of the container. */
  mayAsk(containerId: string, name: string): boolean;
  /** Opens the addresses of an answer where a policy names the name; resolves when connections to them pass. Never rejects. */
  learn(containerId: string, name: string, answer: Uint8Array): Promise<void>;
}

/** Where questions of a container go that its networks cannot answer. */
export interface Forwarding {
  /**
   * The host's resolvers may be asked on behalf of the container: one of its networks has a way out (bridge, macvlan… that
   * are not internal). Without it a name could be used to carry data out of an internal network (CVE-2024-29018).
   */
  readonly usesHost: boolean;
  /** `--dns` of the container or of the daemon: these are asked instead, from the container's own network namespace. */
  readonly servers: readonly string[];
  /** The user asked for `ndots` above 0: names without a dot are not sent on, the search domains come first (compat). */
  readonly hasNdots: boolean;
}
