// Keeps the enabled plugins running: started when they are enabled and with the daemon, again when they die, taken over from the daemon
// before.
//
//   off ── start ──→ running ── ended by itself ──→ waiting (100 ms, growing to 60 s) ──→ running
//    ↑                  │ stop                          │ stop
//    └──────────────────┴───────────────────────────────┘
import { readdir, rm } from "node:fs/promises";
import { messageOf } from "../../lib/errors.ts";
import { Lanes } from "../../lib/lanes.ts";
import { nextDelayMs } from "../container/run/restart-policy.ts";
import type { PluginContext } from "./context.ts";
import { adoptPlugin, awaitPlugin, endPlugin, type PluginRun, socketOf, startPlugin } from "./process.ts";
import type { PluginRecord } from "./record.ts";

/** What Docker gives a plugin to listen when nobody says how long. */
const DEFAULT_WAIT_MS = 10_000;

interface Live {
  run: PluginRun | undefined;
  timer: NodeJS.Timeout | undefined;
  delayMs: number;
  /** It is to run again when it ends. */
  isWanted: boolean;
}

export class PluginSupervisor {
  readonly #context: PluginContext;
  readonly #find: (id: string) => PluginRecord | undefined;
  readonly #live = new Map<string, Live>();
  /** Starts and stops of one plugin. */
  readonly #lanes = new Lanes();

  /** `find` returns the current record of a plugin. */
  constructor(context: PluginContext, find: (id: string) => PluginRecord | undefined) {
    this.#context = context;
    this.#find = find;
  }

  /** How many run. */
  get runningCount(): number {
    return [...this.#live.values()].filter((l) => l.run !== undefined).length;
  }

  /** Starts a plugin and waits until it answers, `waitMs` at most (0: as long as usual). Fails with the reason, and then nothing runs. */
  async start(record: PluginRecord, waitMs: number): Promise<void> {
    await this.#lanes.run(record.id, async () => {
      const live = this.#liveOf(record.id);
      await this.#launch(record, live, waitMs || DEFAULT_WAIT_MS);
      live.isWanted = true;
    });
  }

  async #launch(record: PluginRecord, live: Live, waitMs: number): Promise<void> {
    const run = await startPlugin(this.#context, record);
    this.#follow(record.id, live, run);
    try {
      await awaitPlugin(socketOf(this.#context, record), run, waitMs);
    } catch (error) {
      await run.stop();
      throw error;
    }
  }

  #follow(id: string, live: Live, run: PluginRun): void {
    const startedAt = process.hrtime.bigint();
    live.run = run;
    void run.exited.then((exit) => {
      live.run = undefined;
      if (!live.isWanted) return;
      live.delayMs = nextDelayMs(live.delayMs, process.hrtime.bigint() - startedAt);
      this.#context.log(
        "warn",
        `plugin ${this.#find(id)?.name ?? id} has ended with exit code ${exit.exitCode}: it is started again`,
      );
      this.#startLater(id, live);
    });
  }

  #startLater(id: string, live: Live): void {
    live.timer = setTimeout(() => {
      void this.#lanes.run(id, async () => {
        const record = this.#find(id);
        if (!live.isWanted || live.run !== undefined || record === undefined) return;
        try {
          // What ends before it listens is not told twice.
          live.isWanted = false;
          await this.#launch(record, live, DEFAULT_WAIT_MS);
          live.isWanted = true;
        } catch (error) {
          this.#context.log("warn", `plugin ${record.name} cannot be started: ${messageOf(error)}`);
          live.isWanted = true;
          live.delayMs = nextDelayMs(live.delayMs, 0n);
          this.#startLater(id, live);
        }
      });
    }, live.delayMs);
  }

  /** Stops a plugin, whatever it is at. */
  async stop(id: string): Promise<void> {
    const live = this.#liveOf(id);
    clearTimeout(live.timer);
    await this.#lanes.run(id, async () => {
      live.isWanted = false;
      clearTimeout(live.timer);
      await live.run?.stop();
      this.#live.delete(id);
    });
  }

  #liveOf(id: string): Live {
    const live = this.#live.get(id) ?? { run: undefined, timer: undefined, delayMs: 0, isWanted: false };
    this.#live.set(id, live);
    return live;
  }

  /** After a start of the daemon: takes over what runs, starts what should, ends what should not (with `stops` everything, first). */
  async restore(records: readonly PluginRecord[], { stops }: { stops: boolean }): Promise<void> {
    const ids = await readdir(this.#context.paths.stateRoot());
    const enabled = new Map(records.filter((r) => r.isEnabled).map((r) => [r.id, r]));
    await Promise.all(
      ids.filter((id) => stops || !enabled.has(id)).map((id) => endPlugin(this.#context, id)),
    );
    await Promise.all([...enabled.values()].map((record) => this.#restoreOne(record, { stops })));
  }

  async #restoreOne(record: PluginRecord, { stops }: { stops: boolean }): Promise<void> {
    const live = this.#liveOf(record.id);
    const run = stops ? undefined : await adoptPlugin(this.#context, record);
    if (run !== undefined) {
      live.isWanted = true;
      this.#follow(record.id, live, run);
      return;
    }
    try {
      await this.start(record, 0);
    } catch (error) {
      this.#context.log("warn", `plugin ${record.name} cannot be started: ${messageOf(error)}`);
      live.isWanted = true;
      live.delayMs = nextDelayMs(live.delayMs, 0n);
      this.#startLater(record.id, live);
    }
  }

  /** The daemon ends: plugins run on, or with `stops` end, too. */
  async close({ stops }: { stops: boolean }): Promise<void> {
    for (const live of this.#live.values()) {
      clearTimeout(live.timer);
      if (!stops) {
        live.isWanted = false;
        live.run?.leave();
      }
    }
    if (stops) await Promise.all([...this.#live.keys()].map((id) => this.stop(id)));
    // No plugin runs: what a shim wrote at the last moment is nobody's any more.
    if (this.runningCount === 0) await rm(this.#context.paths.stateRoot(), { recursive: true, force: true });
  }
}
