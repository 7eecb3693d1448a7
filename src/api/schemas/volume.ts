// Requests and responses of the volume operations.

import {
  anyValue,
  type Input,
  int64,
  list,
  map,
  nullable,
  type Output,
  optional,
  struct,
  text,
  time,
} from "../../lib/schema/schema.ts";

export const volume = struct("volume.Volume", {
  CreatedAt: optional(time),
  Driver: text,
  Labels: nullable(map(text)),
  Mountpoint: text,
  Name: text,
  Options: nullable(map(text)),
  Scope: text,
  Status: optional(map(anyValue)),
  /** Only in SystemDataUsage; -1 is "unknown". */
  UsageData: optional(struct("volume.UsageData", { RefCount: int64, Size: int64 })),
  ClusterVolume: optional(anyValue),
  /** Not Docker's; only where there are some. */
  Snapshots: optional(list(struct("volume.Snapshot", { Name: text, CreatedAt: time, Size: int64 }))),
});

export const volumeList = struct("volume.ListResponse", {
  Volumes: nullable(list(volume)),
  Warnings: nullable(list(text)),
});

export const volumeCreateRequest = struct("volume.CreateRequest", {
  ClusterVolumeSpec: optional(anyValue),
  Driver: optional(text),
  DriverOpts: optional(map(text)),
  Labels: optional(map(text)),
  Name: optional(text),
});

export const volumeUpdateRequest = struct("volumebackend.UpdateOptions", { Spec: optional(anyValue) });

export const volumesPrune = struct("volume.PruneReport", {
  VolumesDeleted: nullable(list(text)),
  SpaceReclaimed: int64,
});

export type Volume = Output<typeof volume>;
export type VolumeList = Output<typeof volumeList>;
export type VolumeCreateRequest = Input<typeof volumeCreateRequest>;
export type VolumesPrune = Output<typeof volumesPrune>;
