// OCI descriptors and platforms as the API prints them, and the storage descriptions of images and containers.

import {
  int64,
  list,
  map,
  nullable,
  type Input,
  type Output,
  optional,
  struct,
  text,
} from "../../lib/schema/schema.ts";

export const ociPlatform = struct("v1.Platform", {
  architecture: text,
  os: text,
  "os.version": optional(text),
  "os.features": optional(list(text)),
  variant: optional(text),
});

export const descriptor = struct("v1.Descriptor", {
  mediaType: text,
  digest: text,
  size: int64,
  urls: optional(list(text)),
  annotations: optional(map(text)),
  /** Base64. */
  data: optional(text),
  platform: optional(ociPlatform),
  artifactType: optional(text),
});

export const driverData = struct("storage.DriverData", { Data: nullable(map(text)), Name: text });

export const storage = struct("storage.Storage", {
  RootFS: optional(
    struct("storage.RootFSStorage", {
      Snapshot: optional(struct("storage.RootFSStorageSnapshot", { Name: text })),
    }),
  ),
});

export type OciPlatform = Output<typeof ociPlatform>;
export type OciPlatformRequest = Input<typeof ociPlatform>;
export type Descriptor = Output<typeof descriptor>;
export type DriverData = Output<typeof driverData>;
export type Storage = Output<typeof storage>;
