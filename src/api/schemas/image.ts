// Responses of the image operations. `Created` of a summary and of a history item is Unix seconds; sizes are bytes.

import {
  anyValue,
  bool,
  emptyStruct,
  int,
  int64,
  list,
  map,
  nullable,
  type Output,
  optional,
  struct,
  text,
  time,
  uint8,
} from "../../lib/schema/schema.ts";
import { healthConfig } from "./container.ts";
import { descriptor, driverData, ociPlatform } from "./descriptor.ts";
import { portSet } from "./host-config.ts";

/** Configuration of an image, printed in the order of the OCI image specification with Docker's additions. */
export const imageConfig = struct("image.DockerOCIImageConfig", {
  User: optional(text),
  ExposedPorts: optional(portSet),
  Env: optional(list(text)),
  Entrypoint: optional(list(text)),
  Cmd: optional(list(text)),
  Volumes: optional(map(emptyStruct)),
  WorkingDir: optional(text),
  Labels: optional(map(text)),
  StopSignal: optional(text),
  ArgsEscaped: optional(bool),
  Healthcheck: optional(healthConfig),
  OnBuild: optional(list(text)),
  Shell: optional(list(text)),
});

export const imageManifest = struct("image.ManifestSummary", {
  ID: text,
  Descriptor: descriptor,
  Available: bool,
  Size: struct("image.ManifestSize", { Content: int64, Total: int64 }),
  Kind: text,
  ImageData: optional(
    struct("image.ImageProperties", {
      Platform: ociPlatform,
      Identity: optional(anyValue),
      Size: struct("image.UnpackedSize", { Unpacked: int64 }),
      Containers: list(text),
    }),
  ),
  AttestationData: optional(struct("image.AttestationProperties", { For: text })),
});

export const imageInspect = struct("image.InspectResponse", {
  Id: text,
  RepoTags: list(text),
  RepoDigests: list(text),
  Parent: optional(text),
  Comment: optional(text),
  Created: optional(time),
  DockerVersion: optional(text),
  Author: optional(text),
  Config: optional(imageConfig),
  Architecture: text,
  Variant: optional(text),
  Os: text,
  OsVersion: optional(text),
  Size: int64,
  GraphDriver: optional(driverData),
  RootFS: struct("image.RootFS", { Type: optional(text), Layers: optional(list(text)) }),
  Metadata: struct("image.Metadata", { LastTagTime: optional(time) }),
  Descriptor: optional(descriptor),
  Manifests: optional(list(imageManifest)),
  Identity: optional(anyValue),
});

export const imageSummary = struct("image.Summary", {
  /** Number of containers that use it, -1 when not counted. */
  Containers: int64,
  Created: int64,
  Id: text,
  Labels: nullable(map(text)),
  ParentId: text,
  Manifests: optional(list(imageManifest)),
  Descriptor: optional(descriptor),
  RepoDigests: list(text),
  RepoTags: list(text),
  /** -1 when not computed. */
  SharedSize: int64,
  Size: int64,
});

export const imageSummaries = list(imageSummary);

export const imageHistory = list(
  struct("image.HistoryResponseItem", {
    Comment: text,
    Created: int64,
    CreatedBy: text,
    /** Image id, or "<missing>". */
    Id: text,
    Size: int64,
    Tags: nullable(list(text)),
  }),
);

export const imageAttestations = list(
  struct("image.AttestationStatement", {
    Descriptor: descriptor,
    /** Such as https://slsa.dev/provenance/v0.2. */
    PredicateType: text,
    Statement: optional(anyValue),
  }),
);

/** What makes one image's files another's: an extension. Kinds are those of FilesystemChange, Size is by how much a file grows. */
export const imageDiff = nullable(list(struct("image.DiffItem", { Kind: uint8, Path: text, Size: int64 })));

export const imageDeleted = struct("image.DeleteResponse", {
  Deleted: optional(text),
  Untagged: optional(text),
});
export const imageDelete = list(imageDeleted);

export const imagesPrune = struct("image.PruneReport", {
  ImagesDeleted: nullable(list(imageDeleted)),
  SpaceReclaimed: int64,
});

export const imageSearch = nullable(
  list(
    struct("registry.SearchResult", {
      star_count: int,
      is_official: bool,
      name: text,
      is_automated: bool,
      description: text,
    }),
  ),
);

export const distributionInspect = struct("registry.DistributionInspect", {
  Descriptor: descriptor,
  Platforms: nullable(list(ociPlatform)),
});

export type ImageConfig = Output<typeof imageConfig>;
export type ImageManifest = Output<typeof imageManifest>;
export type ImageInspect = Output<typeof imageInspect>;
export type ImageSummary = Output<typeof imageSummary>;
export type ImageAttestations = Output<typeof imageAttestations>;
export type ImageHistory = Output<typeof imageHistory>;
export type ImageDiff = Output<typeof imageDiff>;
export type ImageDeleted = Output<typeof imageDeleted>;
export type ImagesPrune = Output<typeof imagesPrune>;
export type ImageSearch = Output<typeof imageSearch>;
export type DistributionInspect = Output<typeof distributionInspect>;
