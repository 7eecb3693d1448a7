// What a prune would take, by name and size, before the question. Only under our own name: as `docker` it is Docker's question alone.

import type { Filters } from "../api/contract.ts";
import { prunePreview } from "../api/operations/kept.ts";
import { humanSize } from "../lib/units/size.ts";
import { ifKnown } from "./explain/explanation.ts";
import { withoutSteering } from "./format/list.ts";
import { print } from "./output.ts";
import type { Session } from "./session.ts";

export interface PruneWish {
  readonly kind: "containers" | "images" | "networks" | "volumes";
  readonly filters: Filters;
}

const SHOWN = 20;

/** Prints what would go; nothing where the daemon is a Docker Engine, which cannot be asked. */
export async function previewPrune(session: Session, wishes: readonly PruneWish[]): Promise<void> {
  if (session.program === "docker") return;
  const client = await session.client();
  for (const { kind, filters } of wishes) {
    const items = await ifKnown(client.call(prunePreview, { kind, filters }));
    if (items === undefined) return;
    const bytes = items.reduce((sum, item) => sum + Math.max(0, item.SizeBytes), 0);
    const size = (b: number): string => (kind === "networks" ? "" : b < 0 ? "unknown" : humanSize(b));
    print(`${items.length} ${kind}${kind === "networks" ? "" : `, ${humanSize(bytes)}`}\n`);
    const biggest = [...items].sort((a, b) => b.SizeBytes - a.SizeBytes);
    for (const { Name, SizeBytes } of biggest.slice(0, SHOWN))
      print(`  ${withoutSteering(Name)} ${size(SizeBytes)}`.trimEnd() + "\n");
    if (items.length > SHOWN) print(`  and ${items.length - SHOWN} more\n`);
  }
}
