// How long the rules of published ports are gone after somebody has removed them, all of them or one: from the removal until the
// daemon's table is again what it was, rule for rule and element for element. Each round removes in another way.
import type { DaemonEngine } from "../field/engines.ts";
import { type Row, timed } from "./row.ts";

const PATIENCE_MS = 30_000;

const nft = (e: DaemonEngine, ...args: string[]): string => e.room.onNetwork(["nft", ...args]);

function tableOf(e: DaemonEngine): string {
  const name = /^table inet (berth-\S+)$/m.exec(nft(e, "list", "tables"))?.[1];
  if (name === undefined) throw new Error(`${e.name}: no table of its own`);
  return name;
}

/** What is in the table whatever its order, without counters; "" when it is not there. */
function contentOf(e: DaemonEngine, table: string): string {
  if (!nft(e, "list", "tables").includes(table)) return "";
  return nft(e, "-s", "list", "table", "inet", table)
    .split(/[\n,{}]/)
    .map((word) => word.trim())
    .sort()
    .join("\n");
}

function handleOfARule(e: DaemonEngine, table: string): string {
  const rule = /dnat.* # handle (\d+)$/m.exec(nft(e, "-a", "list", "chain", "inet", table, "publish"));
  if (rule?.[1] === undefined) throw new Error(`${e.name}: no rule that translates`);
  return rule[1];
}

/** As `ufw reload`, `firewall-cmd --complete-reload` and administrators do it. */
const REMOVALS: readonly ((e: DaemonEngine, table: string) => unknown)[] = [
  (e, table) => nft(e, "flush", "table", "inet", table),
  (e, table) => nft(e, "delete", "table", "inet", table),
  (e, table) => nft(e, "delete", "chain", "inet", table, "postrouting"),
  (e, table) => nft(e, "delete", "rule", "inet", table, "publish", "handle", handleOfARule(e, table)),
  (e) => nft(e, "flush", "ruleset"),
];

export const restored: Row<DaemonEngine> = {
  name: "firewall.restored",
  what: "until rules that somebody has flushed or deleted are back",
  unit: "ms",
  goal: { atMost: 1000 },
  only: ["berth"],
  rounds: { full: 20, quick: 5 },
  hasWarmUp: false,
  sample(e, round) {
    const table = tableOf(e);
    const before = contentOf(e, table);
    const remove = REMOVALS[round % REMOVALS.length];
    return timed(() => {
      const start = performance.now();
      remove?.(e, table);
      while (contentOf(e, table) !== before)
        if (performance.now() - start > PATIENCE_MS) throw new Error(`${e.name}: the rules do not come back`);
    });
  },
};
