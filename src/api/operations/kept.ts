// What is not Docker's: bringing back what was removed.

import { json, operation } from "../contract.ts";

const schemas = () => import("../schemas/kept.ts");

/** Newest first. */
export const keptList = operation({
  name: "KeptList",
  method: "GET",
  path: "/berth/kept",
  success: json(async () => (await schemas()).keptItems),
});

export const keptRestore = operation({
  name: "KeptRestore",
  method: "POST",
  path: "/berth/kept/{id}/restore",
  /** Another name for a container or volume whose own is taken. */
  query: { name: "text" },
  success: json(async () => (await schemas()).keptRestored),
  errors: [404, 409],
});

/** What a prune of a kind (containers, images, networks, volumes) with these filters would take: nothing is removed. */
export const prunePreview = operation({
  name: "PrunePreview",
  method: "GET",
  path: "/berth/prunable/{kind}",
  query: { filters: "filters" },
  success: json(async () => (await schemas()).prunable),
});

export const keptPrune = operation({
  name: "KeptPrune",
  method: "POST",
  path: "/berth/kept/prune",
  success: json(async () => (await schemas()).keptPrune),
});
