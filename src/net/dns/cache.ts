// Answers of servers, as long as they may be kept. Bounded in number and bytes; what was not asked for the longest goes first.

import { type Answer, RCODE, u16 } from "./message.ts";

/** Longest time that an answer is kept, in seconds: whatever a zone says, its changes are seen soon. */
const MAX_TTL = { positive: 300, negative: 30 } as const;
const MAX_ENTRIES = 4096;
const MAX_BYTES = 4 << 20;

interface Entry {
  answer: Answer;
  /** Milliseconds of the clock that callers use. */
  since: number;
  until: number;
}

/** A cache of answers by question. */
export class AnswerCache {
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  get size(): number {
    return this.#entries.size;
  }

  /** Returns the answer and its age in whole seconds, when it is still good at `now` (ms). */
  get(key: string, now: number): { answer: Answer; ageSeconds: number } | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#remove(key, entry);
    if (now >= entry.until) return undefined;
    this.#add(key, entry); // at the end: asked for last
    return { answer: entry.answer, ageSeconds: Math.floor((now - entry.since) / 1000) };
  }

  /** Keeps an answer, unless it may not be kept. */
  put(key: string, answer: Answer, now: number): void {
    const isNegative = answer.rcode !== RCODE.noError || u16(answer.message, 6) === 0;
    const ttl = Math.min(answer.ttl, isNegative ? MAX_TTL.negative : MAX_TTL.positive);
    const old = this.#entries.get(key);
    if (old !== undefined) this.#remove(key, old);
    if (ttl <= 0 || answer.isTruncated) return;
    this.#add(key, { answer, since: now, until: now + ttl * 1000 });
    for (const [oldest, entry] of this.#entries) {
      if (this.#entries.size <= MAX_ENTRIES && this.#bytes <= MAX_BYTES) break;
      this.#remove(oldest, entry);
    }
  }

  clear(): void {
    this.#entries.clear();
    this.#bytes = 0;
  }

  #add(key: string, entry: Entry): void {
    this.#entries.set(key, entry);
    this.#bytes += key.length + entry.answer.message.length;
  }

  #remove(key: string, entry: Entry): void {
    this.#entries.delete(key);
    this.#bytes -= key.length + entry.answer.message.length;
  }
}
