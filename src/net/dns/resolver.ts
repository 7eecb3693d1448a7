// What a container's question is answered with: names and addresses of its networks from memory, everything else by a
// forwarder, if the container may ask one at all. Knows nothing of sockets.

import { setTimeout as sleep } from "node:timers/promises";
import { addressRecord, type AnswerRecord, buildAnswer, pointerRecord, refuse } from "./answer.ts";
import { CLASS, parseQuery, type Query, RCODE, reverseAddress, TYPE } from "./message.ts";
import type { NamePolicy, NameSource } from "./ports.ts";

/** Between two looks for a name that may appear. */
const LOOK_MS = 20;

/** Seconds that clients may keep a container's address: it may be another one after a restart. */
const LOCAL_TTL = 10;

/** Sends a question on; null where nothing may be asked. */
export type Forward = (containerId: string, query: Query) => Promise<Uint8Array> | null;

/** An answer and the query that it is for; the query is null for messages that could not be read. */
export interface Reply {
  query: Query | null;
  message: Uint8Array;
  /** For answers that hold until the names change: all that may be given in turn. */
  alternatives?: () => Uint8Array[];
}

/** Answers questions of containers. */
export class Resolver {
  readonly #names: NameSource;
  readonly #forward: Forward;
  readonly #isYoung: (containerId: string) => boolean;
  readonly #policy: NamePolicy | undefined;
  #turn = 0;

  /**
   * `isYoung` tells containers that have just been started: containers that are started together look for each other, so
   * that a plain name which nobody has yet is waited for instead of being denied. Programs such as nginx end over a denial.
   */
  constructor(options: {
    names: NameSource;
    forward: Forward;
    isYoung?: (containerId: string) => boolean;
    policy?: NamePolicy | undefined;
  }) {
    this.#names = options.names;
    this.#forward = options.forward;
    this.#isYoung = options.isYoung ?? (() => false);
    this.#policy = options.policy;
  }

  /** Returns the reply, as a promise only where others are asked; null for what deserves none. Never rejects. */
  answer(containerId: string, bytes: Uint8Array): Reply | null | Promise<Reply> {
    const query = parseQuery(bytes);
    if (query === null) return null;
    if (typeof query === "number") return { query: null, message: refuse(bytes, query) };
    const rcode = this.#refusal(query);
    if (rcode !== undefined) return { query, message: buildAnswer(query, rcode, []) };
    const known = this.#known(containerId, query);
    if (known !== undefined) return known;
    if (isPlainName(query) && this.#isYoung(containerId)) return this.#whenKnown(containerId, query);
    return this.#elsewhere(containerId, query);
  }

  /** Every answer starts with another address, so that clients that take the first one share the load. */
  #known(containerId: string, query: Query): Reply | undefined {
    const records = this.#local(containerId, query);
    if (records === undefined) return undefined;
    const startingWith = (first: number): Uint8Array =>
      buildAnswer(query, RCODE.noError, [...records.slice(first), ...records.slice(0, first)]);
    return {
      query,
      message: startingWith(records.length < 2 ? 0 : this.#turn++ % records.length),
      alternatives: () => Array.from({ length: Math.max(1, records.length) }, (_, i) => startingWith(i)),
    };
  }

  async #whenKnown(containerId: string, query: Query): Promise<Reply> {
    while (this.#isYoung(containerId)) {
      await sleep(LOOK_MS);
      const known = this.#known(containerId, query);
      if (known !== undefined) return known;
    }
    return this.#elsewhere(containerId, query);
  }

  #elsewhere(containerId: string, query: Query): Reply | Promise<Reply> {
    if (this.#staysHere(containerId, query)) return { query, message: buildAnswer(query, RCODE.noError, []) };
    // Not REFUSED, after which musl and others ask again and again, and never look at the next search domain.
    if (this.#policy?.mayAsk(containerId, query.name) === false)
      return { query, message: buildAnswer(query, RCODE.nxDomain, []) };
    const forwarded = this.#forward(containerId, query);
    if (forwarded === null) return { query, message: buildAnswer(query, RCODE.servFail, []) };
    return forwarded.then(async (message) => {
      await this.#policy?.learn(containerId, query.name, message);
      return { query, message };
    });
  }

  #refusal(query: Query): number | undefined {
    if (query.edns !== undefined && query.edns.version > 0) return RCODE.badVers;
    // Zone transfers are conversations of many messages, and nobody's business here.
    return query.type === TYPE.AXFR || query.type === TYPE.IXFR ? RCODE.refused : undefined;
  }

  /** Records of a name or address of the container's networks: none of them for types that it has not; undefined for others' names. */
  #local(containerId: string, query: Query): AnswerRecord[] | undefined {
    if (query.class !== CLASS.IN && query.class !== CLASS.ANY) return undefined;
    const address = reverseAddress(query.name);
    if (address !== undefined) {
      const name = this.#names.nameOf(containerId, address);
      if (name === undefined) return undefined;
      return isAsked(query, TYPE.PTR) ? [pointerRecord(name, LOCAL_TTL)] : [];
    }
    const addresses = this.#names.addressesOf(containerId, query.name);
    if (addresses === undefined) return undefined;
    return addresses.map((ip) => addressRecord(ip, LOCAL_TTL)).filter((r) => isAsked(query, r.type));
  }

  /** compat: with `ndots` names without a dot are only sent on with a search domain behind them. */
  #staysHere(containerId: string, query: Query): boolean {
    return isPlainName(query) && this.#names.forwardingOf(containerId).hasNdots;
  }
}

/** Whether an address of a name without a dot is asked for, as containers call each other. */
const isPlainName = ({ type, name }: Query): boolean =>
  (type === TYPE.A || type === TYPE.AAAA) && name !== "" && !name.includes(".");

const isAsked = (query: Query, type: number): boolean => query.type === type || query.type === TYPE.ANY;
