// What was removed and can be brought back. Ours, Docker has no such thing.

import { int64, list, type Output, struct, text, time } from "../../lib/schema/schema.ts";

export const keptItem = struct("berth.KeptItem", {
  Id: text,
  /** What one request has removed has one in common. */
  Group: text,
  /** container, image or volume. */
  Kind: text,
  Name: text,
  RemovedAt: time,
  ExpiresAt: time,
  SizeBytes: int64,
});
export const keptItems = list(keptItem);

export const keptRestored = struct("berth.KeptRestored", {
  Kind: text,
  Name: text,
  /** What is not as it was. */
  Warnings: list(text),
});

export const keptPrune = struct("berth.KeptPrune", { Deleted: list(text), SpaceReclaimed: int64 });

/** -1 is an unknown size; networks have 0. */
export const prunable = list(struct("berth.Prunable", { Name: text, SizeBytes: int64 }));

export type Prunable = Output<typeof prunable>;
export type KeptItem = Output<typeof keptItem>;
export type KeptRestored = Output<typeof keptRestored>;
export type KeptPrune = Output<typeof keptPrune>;
