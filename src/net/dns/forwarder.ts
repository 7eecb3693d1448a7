// Questions that servers answer: from the cache, or by asking them. Servers are asked in their order, a further one as soon
// as the one before has failed or been silent for a moment, so that a dead server costs little and a lost packet less;
// the first good answer wins. The same question is under way only once: however many ask for it, and although the answer may
// depend on itself (a container that serves names to the host and asks us), which ends in a timeout instead of a storm.

import { answerAs, buildAnswer } from "./answer.ts";
import { AnswerCache } from "./cache.ts";
import { exchange } from "./exchange.ts";
import { type Answer, isFailure, type Query, RCODE } from "./message.ts";
import type { Server, Transport } from "./transport.ts";

/** When the next server is asked although the last one may still answer. */
const STEP_MS = 400;
/** Pauses behind each round through the servers: a question or answer may have been lost. */
const ROUND_PAUSES_MS = [1000, 1500, 0];
/** Below the 5 s after which a client's resolver asks again. */
const DEADLINE_MS = 4500;
/** compat: glibc and Docker use three servers at most. */
const MAX_SERVERS = 3;
const MAX_IN_FLIGHT = 1024;
/** How long a server that let others be faster is asked last. */
const SLOW_MS = 30_000;

export interface ForwarderOptions {
  transport: Transport;
  /** The same list until it changes; a new one empties the cache. */
  servers: () => Promise<readonly Server[]>;
  /** Milliseconds that only go forward. */
  now?: () => number;
}

/** Forwards questions to one set of servers. */
export class Forwarder {
  readonly #transport: Transport;
  readonly #servers: () => Promise<readonly Server[]>;
  readonly #now: () => number;
  readonly #cache = new AnswerCache();
  readonly #inFlight = new Map<string, Promise<Answer | null>>();
  readonly #slowUntil = new Map<Server, number>();
  readonly #closing = new AbortController();
  #known: readonly Server[] = [];

  constructor(options: ForwarderOptions) {
    this.#transport = options.transport;
    this.#servers = options.servers;
    this.#now = options.now ?? (() => performance.now());
  }

  /** Returns the answer for the client; SERVFAIL when no server gives one. Never rejects. */
  async resolve(query: Query): Promise<Uint8Array> {
    const servers = await this.#servers();
    if (servers !== this.#known) this.#takeServers(servers);
    const key = keyOf(query);
    const hit = this.#cache.get(key, this.#now());
    if (hit !== undefined) return answerAs(hit.answer, query, hit.ageSeconds);
    const answer = await this.#once(key, query, servers);
    return answer === null ? buildAnswer(query, RCODE.servFail, []) : answerAs(answer, query, 0);
  }

  /** Lets go of everything that is under way. */
  close(): void {
    this.#closing.abort();
    this.#cache.clear();
  }

  #takeServers(servers: readonly Server[]): void {
    this.#known = servers;
    this.#cache.clear();
    this.#slowUntil.clear();
  }

  #once(key: string, query: Query, servers: readonly Server[]): Promise<Answer | null> {
    const underWay = this.#inFlight.get(key);
    if (underWay !== undefined) return underWay;
    if (this.#inFlight.size >= MAX_IN_FLIGHT || servers.length === 0) return Promise.resolve(null);
    const answer = this.#ask(query, servers).then((a) => {
      this.#inFlight.delete(key);
      if (a !== null && this.#known === servers) this.#cache.put(key, a, this.#now());
      return a;
    });
    this.#inFlight.set(key, answer);
    return answer;
  }

  /** Asks one server after the other until one has answered, all have failed, or the time is over. */
  #ask(query: Query, servers: readonly Server[]): Promise<Answer | null> {
    const ranked = this.#rank(servers);
    const attempts = ROUND_PAUSES_MS.flatMap((pause) =>
      ranked.map((server, i) => ({ server, pauseMs: i === ranked.length - 1 ? pause : STEP_MS })),
    );
    const failed = new Set<Server>();
    const stop = new AbortController();
    const signal = AbortSignal.any([stop.signal, this.#closing.signal]);
    const done = Promise.withResolvers<Answer | null>();
    let running = 0;
    let timer: NodeJS.Timeout | undefined;
    const finish = (answer: Answer | null, from?: Server): void => {
      clearTimeout(timer);
      clearTimeout(deadline);
      if (from !== undefined) this.#noteSlow(ranked.slice(0, ranked.indexOf(from)));
      done.resolve(answer);
      stop.abort();
    };
    const deadline = setTimeout(() => finish(null), DEADLINE_MS).unref();
    const next = (): void => {
      clearTimeout(timer);
      let attempt = attempts.shift();
      while (attempt !== undefined && failed.has(attempt.server)) attempt = attempts.shift();
      if (attempt === undefined) {
        if (running === 0) finish(null);
        return;
      }
      const { server, pauseMs } = attempt;
      running++;
      const asked = exchange(this.#transport, server, query, signal);
      // ignored: a server that cannot even be asked (no descriptor left) has failed
      void asked
        .catch(() => null)
        .then((answer) => {
          running--;
          if (stop.signal.aborted) return;
          if (answer !== null && !isFailure(answer.rcode)) return finish(answer, server);
          failed.add(server);
          next();
        });
      if (attempts.length > 0) timer = setTimeout(next, pauseMs).unref();
    };
    this.#closing.signal.addEventListener("abort", () => finish(null), { once: true, signal: stop.signal });
    next();
    return done.promise;
  }

  #rank(servers: readonly Server[]): Server[] {
    const now = this.#now();
    const isSlow = (s: Server): boolean => (this.#slowUntil.get(s) ?? 0) > now;
    const first = servers.slice(0, MAX_SERVERS);
    return [...first.filter((s) => !isSlow(s)), ...first.filter(isSlow)];
  }

  #noteSlow(servers: readonly Server[]): void {
    for (const s of servers) this.#slowUntil.set(s, this.#now() + SLOW_MS);
  }
}

/** Everything in a question that changes the answer. */
const keyOf = (q: Query): string =>
  `${q.name} ${q.type} ${q.class} ${q.isRecursionDesired ? "r" : ""}${q.isCheckingDisabled ? "c" : ""}${q.edns?.hasDo ? "d" : ""}`;
