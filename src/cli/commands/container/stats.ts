// `stats`: one line a container, drawn anew twice a second; with --no-stream once.

import type { Client } from "../../../api/client.ts";
import { containerList, containerStats } from "../../../api/operations/container.ts";
import { systemEvents } from "../../../api/operations/system.ts";
import type { ContainerStats } from "../../../api/schemas/stats.ts";
import { bool, string } from "../../../lib/flags/spec.ts";
import { anyArgs, defineCommand } from "../../command.ts";
import { describeFailure, exitWith } from "../../failure.ts";
import { renderList } from "../../format/list.ts";
import { type StatsRow, statsColumns, statsTable, type Usage, usageOf } from "../../format/stats.ts";
import { formatUsage } from "../../format/usage.ts";
import { print } from "../../output.ts";

const redrawMs = 500;
/** A container that says nothing for so long shows no numbers. */
const silenceMs = 2000;

export const command = defineCommand({
  operands: "[OPTIONS] [CONTAINER...]",
  arity: anyArgs,
  flags: {
    all: bool("Show all containers (default shows just running)", { short: "a" }),
    format: string(formatUsage),
    "no-stream": bool("Disable streaming stats and only pull the first result"),
    "no-trunc": bool("Do not truncate output"),
  },
  async run(session, { flags, args }) {
    const client = await session.client();
    const board = new Board(client, !flags["no-stream"]);
    if (args.length > 0) await board.addNamed(args);
    else await board.followAll(flags.all);
    const format = flags.format || (await session.config()).statsFormat || "table";
    const options = { format: format === "table" ? statsTable : format, isTruncated: !flags["no-trunc"] };
    for (;;) {
      const text = await renderList(statsColumns, board.rows(), options);
      if (flags["no-stream"]) {
        print(text);
        return;
      }
      // Home, each line with its rest erased, and everything below erased.
      print(`\u001b[H${text.split("\n").join("\u001b[K\n")}\u001b[J`);
      await new Promise((resolve) => setTimeout(resolve, redrawMs));
      if (board.isEmpty && args.length > 0) return;
      board.throwIfLost();
    }
  },
});

interface Entry {
  row: StatsRow;
  seenAt: number;
  error: unknown;
}

/** The containers shown and what they last said. */
class Board {
  readonly #client: Client;
  readonly #isStreaming: boolean;
  readonly #entries = new Map<string, Entry>();
  #lost: unknown;

  constructor(client: Client, isStreaming: boolean) {
    this.#client = client;
    this.#isStreaming = isStreaming;
  }

  get isEmpty(): boolean {
    return this.#entries.size === 0;
  }

  /** Shows exactly these; throws a Fault when one of them cannot be shown. */
  async addNamed(names: readonly string[]): Promise<void> {
    await Promise.all(names.map((name) => this.#add(name)));
    const failures = [...this.#entries.values()].filter((entry) => entry.error !== undefined);
    if (failures.length > 0)
      throw exitWith(1, failures.map((entry) => describeFailure(entry.error)).join("\n"));
  }

  /** Shows what runs (or everything), and what is started later. */
  async followAll(all: boolean): Promise<void> {
    const events = await this.#client.stream(systemEvents, { filters: { type: ["container"] } });
    const containers = await this.#client.call(containerList, { all });
    await Promise.all(containers.map((container) => this.#add(container.Id.slice(0, 12))));
    if (this.#isStreaming) this.#follow(events, all).catch((error: unknown) => (this.#lost = error));
  }

  async #follow(
    events: AsyncIterable<{ readonly Action: string; readonly Actor: { readonly ID: string } }>,
    all: boolean,
  ): Promise<void> {
    for await (const { Action, Actor } of events) {
      const id = Actor.ID.slice(0, 12);
      if (Action === "start" || (all && Action === "create")) void this.#add(id);
      if (Action === "die" && !all) this.#entries.delete(id);
    }
  }

  /** Throws what broke the stream of events, if anything did. */
  throwIfLost(): void {
    if (this.#lost !== undefined) throw this.#lost;
  }

  rows(): StatsRow[] {
    const now = Date.now();
    return [...this.#entries.values()].map(({ row, seenAt }) =>
      this.#isStreaming && now - seenAt > silenceMs ? { ...row, usage: undefined } : row,
    );
  }

  /** Adds a container; resolves with its first numbers, or when it has none to give. */
  async #add(name: string): Promise<void> {
    if (this.#entries.has(name)) return;
    const entry: Entry = {
      row: { container: name, id: "", name: "", usage: undefined },
      seenAt: Date.now(),
      error: undefined,
    };
    this.#entries.set(name, entry);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#collect(entry, name, resolve).catch((error: unknown) => {
      entry.error = error;
      resolve();
    });
    const timer = setTimeout(resolve, silenceMs);
    await promise;
    clearTimeout(timer);
  }

  async #collect(entry: Entry, id: string, first: () => void): Promise<void> {
    const samples = await this.#client.stream(containerStats, { id, stream: this.#isStreaming });
    for await (const sample of samples) {
      entry.row = toRow(entry.row.container, sample);
      entry.seenAt = Date.now();
      first();
    }
    first();
  }
}

function toRow(container: string, sample: ContainerStats): StatsRow {
  const usage: Usage = usageOf(sample);
  return { container, id: sample.id ?? "", name: sample.name ?? "", usage };
}
