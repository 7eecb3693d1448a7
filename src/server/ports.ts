// What the HTTP server needs of the engine, one interface per noun. Operations appear under their noun's name with
// input and result typed by the contract (api/operations). Every method is optional: an absent one answers 501.
// Errors are Faults; their kind decides the status code (errors.ts). Inputs are shape-checked, not yet judged:
// names, references, signals, filters and ranges are the engine's to validate.

import type {
  ArchiveStream,
  ByteStream,
  Call,
  Hijack,
  OutputStream,
  PendingWait,
  ProgressSink,
  UploadBody,
} from "../api/call.ts";
import type { InputOf, OperationSpec, ResultOf } from "../api/contract.ts";
import type * as build from "../api/operations/build.ts";
import type * as container from "../api/operations/container.ts";
import type * as exec from "../api/operations/exec.ts";
import type * as facts from "../api/operations/facts.ts";
import type * as image from "../api/operations/image.ts";
import type * as kept from "../api/operations/kept.ts";
import type * as network from "../api/operations/network.ts";
import type * as plugin from "../api/operations/plugin.ts";
import type * as system from "../api/operations/system.ts";
import type * as volume from "../api/operations/volume.ts";
import type { ContainerStats } from "../api/schemas/stats.ts";
import type { EventMessage } from "../api/schemas/system.ts";

/** An operation that answers one value, or nothing. */
export type Answer<O extends OperationSpec> = (
  input: InputOf<O>,
  call: Call,
) => Promise<ResultOf<O> extends undefined ? void : ResultOf<O>>;

export interface ContainerPort {
  list?: Answer<typeof container.containerList>;
  create?: Answer<typeof container.containerCreate>;
  /** Creates, attaches and starts; what goes wrong after `accept` is a notice in the stream. */
  run?(input: InputOf<typeof container.containerCreate>, hijack: Hijack, call: Call): Promise<void>;
  inspect?: Answer<typeof container.containerInspect>;
  top?: Answer<typeof container.containerTop>;
  logs?(input: InputOf<typeof container.containerLogs>, call: Call): Promise<OutputStream>;
  changes?: Answer<typeof container.containerChanges>;
  export?(input: InputOf<typeof container.containerExport>, call: Call): Promise<ByteStream>;
  /** Samples, one a second; only the first is taken when `stream` is false. */
  stats?(input: InputOf<typeof container.containerStats>, call: Call): Promise<AsyncIterable<ContainerStats>>;
  resize?: Answer<typeof container.containerResize>;
  /** Throws Fault(notModified) when already running. */
  start?: Answer<typeof container.containerStart>;
  checkpoint?: Answer<typeof container.containerCheckpoint>;
  checkpoints?: Answer<typeof container.containerCheckpoints>;
  deleteCheckpoint?: Answer<typeof container.containerCheckpointDelete>;
  /** Throws Fault(notModified) when already stopped. */
  stop?: Answer<typeof container.containerStop>;
  restart?: Answer<typeof container.containerRestart>;
  kill?: Answer<typeof container.containerKill>;
  update?: Answer<typeof container.containerUpdate>;
  rename?: Answer<typeof container.containerRename>;
  takePorts?: Answer<typeof container.containerTakePorts>;
  pause?: Answer<typeof container.containerPause>;
  unpause?: Answer<typeof container.containerUnpause>;
  /** Resolves when both directions are at their end. */
  attach?(input: InputOf<typeof container.containerAttach>, hijack: Hijack, call: Call): Promise<void>;
  wait?(input: InputOf<typeof container.containerWait>, call: Call): Promise<PendingWait>;
  delete?: Answer<typeof container.containerDelete>;
  archiveInfo?: Answer<typeof container.containerArchiveInfo>;
  archive?(input: InputOf<typeof container.containerArchive>, call: Call): Promise<ArchiveStream>;
  putArchive?(
    input: InputOf<typeof container.putContainerArchive>,
    body: UploadBody,
    call: Call,
  ): Promise<void>;
  prune?: Answer<typeof container.containerPrune>;
  commit?: Answer<typeof container.imageCommit>;
}

export interface ExecPort {
  create?: Answer<typeof exec.containerExec>;
  /** Creates and runs attached, as `start` does. */
  run?(input: InputOf<typeof exec.containerExec>, hijack: Hijack, call: Call): Promise<void>;
  /** Runs attached; an error after `accept` goes to the stream as text. */
  start?(input: InputOf<typeof exec.execStart>, hijack: Hijack, call: Call): Promise<void>;
  startDetached?(input: InputOf<typeof exec.execStart>, call: Call): Promise<void>;
  resize?: Answer<typeof exec.execResize>;
  inspect?: Answer<typeof exec.execInspect>;
}

export interface ImagePort {
  list?: Answer<typeof image.imageList>;
  inspect?: Answer<typeof image.imageInspect>;
  history?: Answer<typeof image.imageHistory>;
  attestations?: Answer<typeof image.imageAttestations>;
  diff?: Answer<typeof image.imageDiff>;
  pull?(input: InputOf<typeof image.imageCreate>, out: ProgressSink, call: Call): Promise<void>;
  import?(
    input: InputOf<typeof image.imageCreate>,
    body: UploadBody,
    out: ProgressSink,
    call: Call,
  ): Promise<void>;
  push?(input: InputOf<typeof image.imagePush>, out: ProgressSink, call: Call): Promise<void>;
  tag?: Answer<typeof image.imageTag>;
  delete?: Answer<typeof image.imageDelete>;
  search?: Answer<typeof image.imageSearch>;
  prune?: Answer<typeof image.imagePrune>;
  /** ImageGet and ImageGetAll: a `docker save` archive of the named images. */
  save?(input: InputOf<typeof image.imageGetAll>, call: Call): Promise<ByteStream>;
  load?(
    input: InputOf<typeof image.imageLoad>,
    body: UploadBody,
    out: ProgressSink,
    call: Call,
  ): Promise<void>;
  distribution?: Answer<typeof system.distributionInspect>;
}

export interface BuildPort {
  build?(
    input: InputOf<typeof build.imageBuild>,
    body: UploadBody,
    out: ProgressSink,
    call: Call,
  ): Promise<void>;
  session?(input: InputOf<typeof build.buildSession>, hijack: Hijack, call: Call): Promise<void>;
  control?(input: InputOf<typeof build.buildControl>, hijack: Hijack, call: Call): Promise<void>;
  prune?: Answer<typeof build.buildPrune>;
  cancel?: Answer<typeof build.buildCancel>;
}

export interface NetworkPort {
  list?: Answer<typeof network.networkList>;
  inspect?: Answer<typeof network.networkInspect>;
  create?: Answer<typeof network.networkCreate>;
  delete?: Answer<typeof network.networkDelete>;
  connect?: Answer<typeof network.networkConnect>;
  disconnect?: Answer<typeof network.networkDisconnect>;
  prune?: Answer<typeof network.networkPrune>;
}

export interface VolumePort {
  list?: Answer<typeof volume.volumeList>;
  create?: Answer<typeof volume.volumeCreate>;
  inspect?: Answer<typeof volume.volumeInspect>;
  delete?: Answer<typeof volume.volumeDelete>;
  update?: Answer<typeof volume.volumeUpdate>;
  export?(input: InputOf<typeof volume.volumeExport>, call: Call): Promise<ByteStream>;
  import?(input: InputOf<typeof volume.volumeImport>, body: UploadBody, call: Call): Promise<void>;
  clone?(input: InputOf<typeof volume.volumeClone>, out: ProgressSink, call: Call): Promise<void>;
  snapshotCreate?(
    input: InputOf<typeof volume.volumeSnapshotCreate>,
    out: ProgressSink,
    call: Call,
  ): Promise<void>;
  snapshotDelete?: Answer<typeof volume.volumeSnapshotDelete>;
  snapshotRestore?(
    input: InputOf<typeof volume.volumeSnapshotRestore>,
    out: ProgressSink,
    call: Call,
  ): Promise<void>;
  prune?: Answer<typeof volume.volumePrune>;
}

export interface PluginPort {
  list?: Answer<typeof plugin.pluginList>;
  privileges?: Answer<typeof plugin.getPluginPrivileges>;
  pull?(input: InputOf<typeof plugin.pluginPull>, out: ProgressSink, call: Call): Promise<void>;
  /** Returns what a plugin is called that is pulled so. Fails with invalidParameter. */
  pulledName?(input: InputOf<typeof plugin.pluginPull>): string;
  create?(input: InputOf<typeof plugin.pluginCreate>, body: UploadBody, call: Call): Promise<void>;
  inspect?: Answer<typeof plugin.pluginInspect>;
  delete?: Answer<typeof plugin.pluginDelete>;
  enable?: Answer<typeof plugin.pluginEnable>;
  disable?: Answer<typeof plugin.pluginDisable>;
  upgrade?(input: InputOf<typeof plugin.pluginUpgrade>, out: ProgressSink, call: Call): Promise<void>;
  push?(input: InputOf<typeof plugin.pluginPush>, out: ProgressSink, call: Call): Promise<void>;
  set?: Answer<typeof plugin.pluginSet>;
}

export interface SystemPort {
  version?: Answer<typeof system.systemVersion>;
  info?: Answer<typeof system.systemInfo>;
  /** Ends at `until`, or when the client goes away; past events since `since` come first. */
  events?(input: InputOf<typeof system.systemEvents>, call: Call): Promise<AsyncIterable<EventMessage>>;
  dataUsage?: Answer<typeof system.systemDataUsage>;
  check?: Answer<typeof system.systemCheck>;
  auth?: Answer<typeof system.systemAuth>;
}

export interface FactsPort {
  container?: Answer<typeof facts.containerFacts>;
  port?: Answer<typeof facts.portFacts>;
  disk?: Answer<typeof facts.diskFacts>;
}

export interface KeptPort {
  list?: Answer<typeof kept.keptList>;
  restore?: Answer<typeof kept.keptRestore>;
  prune?: Answer<typeof kept.keptPrune>;
  preview?: Answer<typeof kept.prunePreview>;
}

export interface Ports {
  readonly container?: ContainerPort;
  readonly exec?: ExecPort;
  readonly image?: ImagePort;
  readonly build?: BuildPort;
  readonly network?: NetworkPort;
  readonly volume?: VolumePort;
  readonly plugin?: PluginPort;
  readonly system?: SystemPort;
  readonly facts?: FactsPort;
  readonly kept?: KeptPort;
}
