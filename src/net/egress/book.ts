// Whose egress policies there are, and which addresses names stand for at the moment, with the time until when. In memory;
// bridge-driver.ts brings it into the kernel, and asks again for all of it when the table is written anew.
//
// A packet passes when the policy of its network and the policy of its container both allow it. So a name may be asked for
// when the container's policy and that of one of its networks allow it, and its addresses are learned for every one of them.

import type { Element } from "../../linux/nft/ruleset.ts";
import type { SetElements } from "../firewall/ruleset.ts";
import type { SetKey } from "../firewall/sets.ts";
import type { NamedAddress } from "../dns/message.ts";
import { type EgressSource, isOpenable, namedElements, sourceElements } from "./elements.ts";
import { type EgressPolicy, mayAsk, type NameRule, rulesFor } from "./policy.ts";

/** An endpoint of a container in a bridge network. */
export interface EgressEndpoint {
  endpointId: string;
  containerId: string;
  networkId: string;
  ip: string;
  ip6: string;
  /** undefined: the container has no policy. */
  policy: EgressPolicy | undefined;
}

/** An address is good for longer than its answer: who has it will still connect. */
const GRACE_MS = 60_000;
const MAX_TTL_SECONDS = 24 * 3600;
/** Of one source: names under a pattern may be as many as their owner likes. */
const MAX_LEARNED = 4096;

/** Whose packets are judged by what. */
interface Judged {
  source: EgressSource;
  policy: EgressPolicy;
}

/** Who learns the addresses of a name: a network or an endpoint, by its id. */
interface Interested {
  of: string;
  source: EgressSource;
  rules: readonly NameRule[];
}

/** What goes from the firewall with a network or an endpoint; some of `named` may have gone already. */
export interface Leaving {
  elements: SetElements;
  named: SetElements;
}

interface Learned {
  elements: SetElements;
  untilMs: number;
}

/** Addresses that were learned: elements for the kernel, and what to do when it has them. */
export interface Lesson {
  elements: SetElements;
  /** They are in the kernel. */
  confirm(): void;
  /** Addresses that there was no room for. */
  left: number;
}

export class EgressBook {
  readonly #networks = new Map<string, Judged>();
  /** Endpoints by container. */
  readonly #containers = new Map<string, Map<string, EgressEndpoint>>();
  /** By network or endpoint, then by rule and address. */
  readonly #learned = new Map<string, Map<string, Learned>>();
  readonly #now: () => number;

  /** `now`: milliseconds that only go forward. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Takes a network in, or its new bridge. */
  enterNetwork(networkId: string, bridgeName: string, policy: EgressPolicy | undefined): void {
    if (policy !== undefined) this.#networks.set(networkId, { source: { bridgeName }, policy });
  }

  /** Returns the elements of a network, none without a policy. */
  ofNetwork(networkId: string): SetElements {
    const network = this.#networks.get(networkId);
    return network === undefined ? {} : sourceElements(network.source, network.policy);
  }

  /** Forgets a network. */
  leaveNetwork(networkId: string): Leaving {
    const elements = this.ofNetwork(networkId);
    this.#networks.delete(networkId);
    return { elements, named: this.#forget(networkId) };
  }

  /** Takes an endpoint in; returns its elements. */
  enter(endpoint: EgressEndpoint): SetElements {
    const { containerId, endpointId } = endpoint;
    const known = this.#containers.get(containerId) ?? new Map<string, EgressEndpoint>();
    this.#containers.set(containerId, known.set(endpointId, endpoint));
    return elementsOf(endpoint);
  }

  /** Forgets an endpoint. */
  leave({ containerId, endpointId }: Pick<EgressEndpoint, "containerId" | "endpointId">): Leaving {
    const endpoints = this.#containers.get(containerId);
    const endpoint = endpoints?.get(endpointId);
    endpoints?.delete(endpointId);
    if (endpoints?.size === 0) this.#containers.delete(containerId);
    return {
      elements: endpoint === undefined ? {} : elementsOf(endpoint),
      named: this.#forget(endpointId),
    };
  }

  #forget(id: string): SetElements {
    const named = distinct([...(this.#learned.get(id)?.values() ?? [])].map((l) => l.elements));
    this.#learned.delete(id);
    return named;
  }

  /** Returns everything that has to be in the firewall now. */
  elements(): SetElements[] {
    const now = this.#now();
    const named = [...this.#learned.values()].flatMap((rules) =>
      [...rules.values()].flatMap((l) => (l.untilMs > now ? [withTimeout(l.elements, l.untilMs - now)] : [])),
    );
    const networks = [...this.#networks.keys()].map((id) => this.ofNetwork(id));
    const endpoints = [...this.#containers.values()].flatMap((e) => [...e.values()].map(elementsOf));
    return [...networks, ...endpoints, distinct(named)];
  }

  clear(): void {
    this.#networks.clear();
    this.#containers.clear();
    this.#learned.clear();
  }

  /** Whether a container may have a name asked for outside. */
  mayAsk(containerId: string, name: string): boolean {
    const endpoints = [...(this.#containers.get(containerId)?.values() ?? [])];
    const networkAllows = ({ networkId }: EgressEndpoint): boolean => {
      const network = this.#networks.get(networkId);
      return network === undefined || mayAsk(network.policy, name);
    };
    return (
      endpoints.every(({ policy }) => policy === undefined || mayAsk(policy, name)) &&
      (endpoints.length === 0 || endpoints.some(networkAllows))
    );
  }

  /** Returns what an answer opens that is not open for long enough anyhow; undefined for nothing. */
  learn(containerId: string, name: string, read: () => readonly NamedAddress[]): Lesson | undefined {
    const interested = this.#interested(containerId, name);
    if (interested.length === 0) return undefined;
    const [now, addresses] = [this.#now(), read()];
    const fresh: { of: string; id: string; learned: Learned }[] = [];
    let left = 0;
    for (const { of, source, rules } of interested) {
      const known = this.#learned.get(of);
      const room = MAX_LEARNED - this.#sizeAfterExpiry(known, now);
      for (const { rule, ip, ttlMs } of lessons(rules, addresses)) {
        const id = `${JSON.stringify([rule.proto, rule.ports])} ${ip}`;
        const untilMs = known?.get(id)?.untilMs;
        if (untilMs !== undefined && untilMs >= now + ttlMs) continue;
        if (untilMs === undefined && fresh.filter((f) => f.of === of).length >= room) left++;
        else
          fresh.push({
            of,
            id,
            learned: {
              elements: namedElements(source, rule, ip, ttlMs + GRACE_MS),
              untilMs: now + ttlMs + GRACE_MS,
            },
          });
      }
    }
    if (fresh.length === 0 && left === 0) return undefined;
    const confirm = (): void => {
      for (const { of, id, learned } of fresh)
        this.#learned.set(of, (this.#learned.get(of) ?? new Map<string, Learned>()).set(id, learned));
    };
    return { elements: distinct(fresh.map((f) => f.learned.elements)), confirm, left };
  }

  #interested(containerId: string, name: string): Interested[] {
    const found = new Map<string, Interested>();
    const note = (of: string, { source, policy }: Judged): void => {
      const rules = rulesFor(policy, name);
      if (rules.length > 0) found.set(of, { of, source, rules });
    };
    for (const e of this.#containers.get(containerId)?.values() ?? []) {
      const network = this.#networks.get(e.networkId);
      if (network !== undefined) note(e.networkId, network);
      if (e.policy !== undefined) note(e.endpointId, { source: e, policy: e.policy });
    }
    return [...found.values()];
  }

  #sizeAfterExpiry(known: Map<string, Learned> | undefined, now: number): number {
    if (known === undefined) return 0;
    if (known.size >= MAX_LEARNED) for (const [id, l] of known) if (l.untilMs <= now) known.delete(id);
    return known.size;
  }
}

const elementsOf = (e: EgressEndpoint): SetElements =>
  e.policy === undefined ? {} : sourceElements(e, e.policy);

function lessons(
  rules: readonly NameRule[],
  addresses: readonly NamedAddress[],
): { rule: NameRule; ip: string; ttlMs: number }[] {
  return rules.flatMap((rule) =>
    addresses
      .filter(({ ip }) => isOpenable(ip))
      .map(({ ip, ttlSeconds }) => ({ rule, ip, ttlMs: Math.min(ttlSeconds, MAX_TTL_SECONDS) * 1000 })),
  );
}

const withTimeout = (elements: SetElements, timeoutMs: number): SetElements =>
  Object.fromEntries(
    Object.entries(elements).map(([set, list]) => [set, list.map((e) => ({ ...e, timeoutMs }))]),
  );

/** Joins elements; of several with one key, as rules that overlap make them, the one that lives longest stays. */
function distinct(parts: readonly SetElements[]): SetElements {
  const joined = new Map<SetKey, Map<string, Element>>();
  for (const part of parts)
    for (const [set, list] of Object.entries(part) as [SetKey, Element[]][]) {
      const elements = joined.get(set) ?? new Map<string, Element>();
      joined.set(set, elements);
      for (const e of list) {
        const id = JSON.stringify(e.key);
        const other = elements.get(id);
        if ((other?.timeoutMs ?? 0) < (e.timeoutMs ?? 0)) elements.set(id, e);
      }
    }
  return Object.fromEntries([...joined].map(([set, elements]) => [set, [...elements.values()]]));
}
