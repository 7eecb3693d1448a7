// A socket that sees and touches only objects with certain labels. Every operation that is allowed at all has a rule here; one
// without is refused, so that a new operation is closed until somebody has thought about it. Rules narrow the input: references
// become ids, lists get a filter, what is created gets the labels.

import { Fault } from "../../lib/errors.ts";
import type { Allowance } from "./policy.ts";
import { checkHostConfig, type HostConfigScope } from "./host-config.ts";

export interface Subject {
  readonly id: string;
  readonly labels: Readonly<Record<string, string>> | null | undefined;
}

/** What the rules look up; undefined: there is no such thing. */
export interface ScopeWorld {
  container(reference: string): Subject | undefined;
  image(reference: string): Subject | undefined;
  network(reference: string): (Subject & { readonly name: string }) | undefined;
  volume(name: string): Subject | undefined;
  /** The container of an exec. */
  execContainer(id: string): string | undefined;
}

type Input = Record<string, unknown>;
type Rule = (input: Input, scope: LabelScope) => void;

const PREDEFINED_NETWORKS = ["bridge", "none", "default"];

const forbidden = (what: string): Fault =>
  new Fault("forbidden", `${what} is not allowed on a socket with a scope of labels`, {
    code: "access.denied",
  });

export class LabelScope implements HostConfigScope {
  readonly #labels: Readonly<Record<string, string>>;
  readonly #allow: readonly Allowance[];
  readonly #world: ScopeWorld;

  constructor(labels: Readonly<Record<string, string>>, allow: readonly Allowance[], world: ScopeWorld) {
    this.#labels = labels;
    this.#allow = allow;
    this.#world = world;
  }

  /** Narrows the input of an operation to the scope. Throws Fault notFound for what is outside, forbidden for what is not done here. */
  narrow(operation: string, input: Input): void {
    const rule = RULES.get(operation);
    if (rule === undefined) throw forbidden(operation);
    rule(input, this);
  }

  allows(what: Allowance): boolean {
    return this.#allow.includes(what);
  }

  #isInside(subject: Subject | undefined): subject is Subject {
    return (
      subject !== undefined &&
      Object.entries(this.#labels).every(([key, value]) => subject.labels?.[key] === value)
    );
  }

  container(reference: string): string {
    const found = find(() => this.#world.container(reference));
    if (this.#isInside(found)) return found.id;
    throw new Fault("notFound", `No such container: ${reference}`, { code: "container.not-found" });
  }

  exec(id: string): void {
    const container = this.#world.execContainer(id);
    if (container !== undefined && this.#isInside(find(() => this.#world.container(container)))) return;
    throw new Fault("notFound", `No such exec instance: ${id}`, { code: "exec.not-found" });
  }

  image(reference: string): void {
    const found = find(() => this.#world.image(reference));
    if (found !== undefined && (this.allows("images") || this.#isInside(found))) return;
    throw new Fault("notFound", `No such image: ${reference}`, { code: "image.not-found" });
  }

  /** A name that an image is to get must not be that of one outside, which would lose it. */
  imageName(name: string): void {
    const found = find(() => this.#world.image(name));
    if (found !== undefined && !this.#isInside(found))
      throw forbidden(`to take the name ${name} from another image`);
  }

  /** Returns the id, or the name of a network that everybody may join. */
  network(reference: string): string {
    return PREDEFINED_NETWORKS.includes(reference) ? reference : this.ownNetwork(reference);
  }

  ownNetwork(reference: string): string {
    const found = find(() => this.#world.network(reference));
    if (this.#isInside(found)) return (found as Subject).id;
    throw new Fault("notFound", `network ${reference} not found`, { code: "network.not-found" });
  }

  volume(name: string): void {
    if (this.#isInside(find(() => this.#world.volume(name)))) return;
    throw new Fault("notFound", `get ${name}: no such volume`, { code: "volume.not-found" });
  }

  /** A name for a new volume: one that exists would be given out as it is. */
  newVolume(name: string): void {
    const found = find(() => this.#world.volume(name));
    if (found !== undefined && !this.#isInside(found))
      throw new Fault("conflict", `the volume name ${name} is in use`, { code: "volume.name-taken" });
  }

  /** Adds the labels to those that are given; a value that contradicts them is replaced. */
  labelled(labels: unknown): Record<string, string> {
    return { ...(labels as Record<string, string> | null | undefined), ...this.#labels };
  }

  /** `LABEL` instructions for an image that is made of a container. */
  get labelChanges(): string[] {
    return Object.entries(this.#labels).map(
      ([key, value]) => `LABEL ${JSON.stringify(key)}=${JSON.stringify(value)}`,
    );
  }

  get filter(): string[] {
    return Object.entries(this.#labels).map(([key, value]) => `${key}=${value}`);
  }
}

/** What cannot be found, or is ambiguous, is not there. */
function find<T>(look: () => T | undefined): T | undefined {
  try {
    return look();
  } catch (error) {
    if (error instanceof Fault) return undefined;
    throw error;
  }
}

const text = (value: unknown): string => (typeof value === "string" ? value : "");
const bodyOf = (input: Input): Input => (input["body"] ??= {}) as Input;

/** An operation that needs nothing checked. */
const free: Rule = () => {};

const onContainer: Rule = (input, scope) => {
  input["id"] = scope.container(text(input["id"]));
};

const onExec: Rule = (input, scope) => scope.exec(text(input["id"]));
const onImage: Rule = (input, scope) => scope.image(text(input["name"]));
const onVolume: Rule = (input, scope) => scope.volume(text(input["name"]));
const onNetwork: Rule = (input, scope) => {
  input["id"] = scope.network(text(input["id"]));
};
/** The networks that everybody has show everybody's containers. */
const onOwnNetwork: Rule = (input, scope) => {
  input["id"] = scope.ownNetwork(text(input["id"]));
};

/** A list, or a prune: only what has the labels. */
const filtered: Rule = (input, scope) => {
  const filters = (input["filters"] ?? {}) as Record<string, readonly string[]>;
  input["filters"] = { ...filters, label: [...(filters["label"] ?? []), ...scope.filter] };
};

const imagesFiltered: Rule = (input, scope) => {
  if (!scope.allows("images")) filtered(input, scope);
};

const withImages: Rule = (_input, scope) => {
  if (!scope.allows("images")) throw forbidden("to bring images in (allow: images)");
};

const createContainer: Rule = (input, scope) => {
  const body = bodyOf(input);
  scope.image(text(body["Image"]));
  body["Labels"] = scope.labelled(body["Labels"]);
  const hostConfig = (body["HostConfig"] ?? {}) as Input;
  checkHostConfig(hostConfig, scope);
  const networking = body["NetworkingConfig"] as { EndpointsConfig?: Record<string, unknown> | null } | null;
  for (const name of Object.keys(networking?.EndpointsConfig ?? {})) scope.network(name);
};

const updateContainer: Rule = (input, scope) => {
  onContainer(input, scope);
  const { RestartPolicy: _, PublishAdd: _a, PublishRemove: _r, ...resources } = bodyOf(input);
  checkHostConfig(resources, scope);
};

const deleteContainer: Rule = (input, scope) => {
  if (input["link"] === true) throw forbidden("to remove a link");
  onContainer(input, scope);
};

const exec: Rule = (input, scope) => {
  onContainer(input, scope);
  if (bodyOf(input)["Privileged"] === true && !scope.allows("privileged"))
    throw forbidden("exec --privileged");
};

const takePorts: Rule = (input, scope) => {
  onContainer(input, scope);
  input["from"] = scope.container(text(input["from"]));
};

const commit: Rule = (input, scope) => {
  input["container"] = scope.container(text(input["container"]));
  const repo = text(input["repo"]);
  if (repo !== "") scope.imageName(input["tag"] === undefined ? repo : `${repo}:${text(input["tag"])}`);
  input["changes"] = [...((input["changes"] as readonly string[] | undefined) ?? []), ...scope.labelChanges];
};

const tagImage: Rule = (input, scope) => {
  onImage(input, scope);
  const tag = text(input["tag"]);
  scope.imageName(tag === "" ? text(input["repo"]) : `${text(input["repo"])}:${tag}`);
};

const getImages: Rule = (input, scope) => {
  const names = (input["names"] as readonly string[] | undefined) ?? [];
  if (names.length === 0) throw forbidden("to save all images");
  for (const name of names) scope.image(name);
};

/** Docker's classic builder: a session brings parts of the request that nobody here sees. */
const build: Rule = (input, scope) => {
  if (text(input["session"]) !== "" || text(input["version"]) === "2")
    throw forbidden("a build with a session (BuildKit)");
  if (!["", "default", "none", "bridge"].includes(text(input["networkMode"])))
    throw forbidden(`a build in the network ${text(input["networkMode"])}`);
  if (text(input["cgroupParent"]) !== "") throw forbidden("a build with a cgroup of its own");
  if (((input["securityOpt"] as readonly string[] | undefined) ?? []).length > 0)
    throw forbidden("a build with security options");
  if (input["outputs"] !== undefined && text(input["outputs"]) !== "")
    throw forbidden("a build with outputs");
  for (const tag of (input["tags"] as readonly string[] | undefined) ?? []) scope.imageName(tag);
  input["labels"] = scope.labelled(input["labels"]);
};

const createNetwork: Rule = (input, scope) => {
  const body = bodyOf(input);
  if (!scope.allows("privileged")) {
    if (!["", "bridge", "default"].includes(text(body["Driver"])))
      throw forbidden(`the driver ${text(body["Driver"])}`);
    if (Object.keys((body["Options"] as object | null | undefined) ?? {}).length > 0)
      throw forbidden("a network with options");
    if (body["ConfigFrom"] != null && text((body["ConfigFrom"] as Input)["Network"]) !== "")
      throw forbidden("a network made from another");
  }
  body["Labels"] = scope.labelled(body["Labels"]);
};

const joinNetwork: Rule = (input, scope) => {
  onNetwork(input, scope);
  const body = bodyOf(input);
  body["Container"] = scope.container(text(body["Container"]));
};

/** A directory of checkpoints may be any of the host's. */
const withCheckpoint: Rule = (input, scope) => {
  const dirs = [input["dir"], input["checkpointDir"], bodyOf(input)["CheckpointDir"]];
  if (dirs.some((dir) => text(dir) !== "") && !scope.allows("binds"))
    throw forbidden("a directory of checkpoints");
  onContainer(input, scope);
};

const createVolume: Rule = (input, scope) => {
  const body = bodyOf(input);
  const isLocal = ["", "local"].includes(text(body["Driver"]));
  const hasOptions = Object.keys((body["DriverOpts"] as object | null | undefined) ?? {}).length > 0;
  if ((!isLocal || hasOptions) && !scope.allows("binds"))
    throw forbidden("a volume with a driver or options");
  if (text(body["Name"]) !== "") scope.newVolume(text(body["Name"]));
  body["Labels"] = scope.labelled(body["Labels"]);
};

const RULES: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ["SystemInfo", free],
  ["SystemAuth", free],
  ["SystemEvents", filtered],
  ["ContainerList", filtered],
  ["ContainerPrune", filtered],
  ["ContainerCreate", createContainer],
  ["ContainerUpdate", updateContainer],
  ["ContainerDelete", deleteContainer],
  ["ContainerExec", exec],
  ["ContainerTakePorts", takePorts],
  ...[
    "ContainerArchive",
    "ContainerArchiveInfo",
    "PutContainerArchive",
    "ContainerAttach",
    "ContainerAttachWebsocket",
    "ContainerChanges",
    "ContainerExport",
    "ContainerFacts",
    "ContainerInspect",
    "ContainerKill",
    "ContainerLogs",
    "ContainerPause",
    "ContainerRename",
    "ContainerResize",
    "ContainerRestart",
    "ContainerStats",
    "ContainerStop",
    "ContainerTop",
    "ContainerUnpause",
    "ContainerWait",
  ].map((name): [string, Rule] => [name, onContainer]),
  ...["ContainerCheckpoint", "ContainerCheckpoints", "ContainerCheckpointDelete", "ContainerStart"].map(
    (name): [string, Rule] => [name, withCheckpoint],
  ),
  ["ExecInspect", onExec],
  ["ExecResize", onExec],
  ["ExecStart", onExec],
  ["ImageList", imagesFiltered],
  ["ImagePrune", filtered],
  ["ImageInspect", onImage],
  ["ImageHistory", onImage],
  ["ImageGet", onImage],
  ["ImageGetAll", getImages],
  ["ImagePush", onImage],
  ["ImageTag", tagImage],
  ["ImageDelete", onOwnImage],
  ["ImageCommit", commit],
  ["ImageBuild", build],
  ["ImageCreate", withImages],
  ["ImageLoad", withImages],
  ["NetworkList", filtered],
  ["NetworkPrune", filtered],
  ["NetworkCreate", createNetwork],
  ["NetworkInspect", onOwnNetwork],
  ["NetworkDelete", onOwnNetwork],
  ["NetworkConnect", joinNetwork],
  ["NetworkDisconnect", joinNetwork],
  ["VolumeList", filtered],
  ["VolumePrune", filtered],
  ["VolumeCreate", createVolume],
  ["VolumeInspect", onVolume],
  ["VolumeDelete", onVolume],
  ["VolumeExport", onVolume],
  ["VolumeImport", onVolume],
]);

/** Other people's images may be used where that is allowed, and not be removed. */
function onOwnImage(input: Input, scope: LabelScope): void {
  onImage(input, scope);
  scope.imageName(text(input["name"]));
}
