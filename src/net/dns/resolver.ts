// What a container's question is answered with: names and addresses of its networks from memory, everything else by a
// forwarder, if the container may ask one at all. Knows nothing of sockets.

import { addressRecord, type AnswerRecord, buildAnswer, pointerRecord, refuse } from "./answer.ts";
import { CLASS, parseQuery, type Query, RCODE, reverseAddress, TYPE } from "./message.ts";
import type { NameSource } from "./ports.ts";

/** Seconds that clients may keep a container's address: it may be another one after a restart. */
const LOCAL_TTL = 10;

/** Sends a question on; null where nothing may be asked. */
export type Forward = (containerId: string, query: Query) => Promise<Uint8Array> | null;

/** An answer and the query that it is for; the query is null for messages that could not be read. */
export interface Reply {
  query: Query | null;
  message: Uint8Array;
}

/** Answers questions of containers. */
export class Resolver {
  readonly #names: NameSource;
  readonly #forward: Forward;
  #turn = 0;

  constructor(options: { names: NameSource; forward: Forward }) {
    this.#names = options.names;
    this.#forward = options.forward;
  }

  /** Returns the reply, as a promise only where others are asked; null for what deserves none. Never rejects. */
  answer(containerId: string, bytes: Uint8Array): Reply | null | Promise<Reply> {
    const query = parseQuery(bytes);
    if (query === null) return null;
    if (typeof query === "number") return { query: null, message: refuse(bytes, query) };
    const rcode = this.#refusal(query);
    if (rcode !== undefined) return { query, message: buildAnswer(query, rcode, []) };
    const records = this.#local(containerId, query);
    if (records !== undefined) return { query, message: buildAnswer(query, RCODE.noError, records) };
    if (this.#staysHere(containerId, query)) return { query, message: buildAnswer(query, RCODE.noError, []) };
    const forwarded = this.#forward(containerId, query);
    if (forwarded === null) return { query, message: buildAnswer(query, RCODE.servFail, []) };
    return forwarded.then((message) => ({ query, message }));
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
    const records = addresses.map((ip) => addressRecord(ip, LOCAL_TTL)).filter((r) => isAsked(query, r.type));
    return this.#rotate(records);
  }

  /** Every answer starts with another address, so that clients that take the first one share the load. */
  #rotate(records: AnswerRecord[]): AnswerRecord[] {
    if (records.length < 2) return records;
    const start = this.#turn++ % records.length;
    return [...records.slice(start), ...records.slice(0, start)];
  }

  /** compat: with `ndots` names without a dot are only sent on with a search domain behind them. */
  #staysHere(containerId: string, query: Query): boolean {
    const isAddress = query.type === TYPE.A || query.type === TYPE.AAAA;
    return isAddress && !query.name.includes(".") && this.#names.forwardingOf(containerId).hasNdots;
  }
}

const isAsked = (query: Query, type: number): boolean => query.type === type || query.type === TYPE.ANY;
