// --mount: comma-separated `key=value` fields that describe one mount, and --volume's `[source:]target[:options]`.

import { paths } from "../../lib/builtins.ts";
import type { MountRequest } from "../../api/schemas/host-config.ts";
import { Fault } from "../../lib/errors.ts";
import { custom, type FlagSpec, invalidValue, parseCsv } from "../../lib/flags/spec.ts";
import { parseBinarySize } from "../../lib/units/size.ts";

/** A repeated --mount. */
export function mountFlag(usage: string): FlagSpec<MountRequest[]> {
  return custom<MountRequest[]>("mount", usage, [], (text, previous) => [
    ...(previous ?? []),
    parseMount(text),
  ]);
}

interface Draft {
  Type: string;
  Source?: string;
  Target?: string;
  ReadOnly?: boolean;
  Consistency?: string;
  BindOptions?: Record<string, unknown>;
  VolumeOptions?: {
    Labels: Record<string, string>;
    DriverConfig: { Name?: string; Options?: Record<string, string> };
  } & Record<string, unknown>;
  ImageOptions?: Record<string, unknown>;
  TmpfsOptions?: Record<string, unknown>;
  /** Of a bind or a volume; which of them is known at the end. */
  idMap?: string;
}

/** Reads one --mount value. Throws a Fault with Docker's text. */
export function parseMount(text: string): MountRequest {
  if (text === "") throw invalidValue("EOF"); // compat: what Go's csv reader says of nothing
  const draft: Draft = { Type: "volume" };
  for (const field of parseCsv(text)) applyField(draft, field);
  checkMount(draft);
  const { idMap, ...request } = draft;
  if (idMap !== undefined) applyIdMap(request, idMap);
  return request as MountRequest;
}

function applyField(draft: Draft, field: string): void {
  const equals = field.indexOf("=");
  const key = (equals < 0 ? field : field.slice(0, equals)).toLowerCase();
  if (equals < 0) {
    if (key === "readonly" || key === "ro") draft.ReadOnly = true;
    else if (key === "volume-nocopy") volume(draft)["NoCopy"] = true;
    else if (key === "bind-nonrecursive") bind(draft)["NonRecursive"] = true;
    else if (CREATES_SOURCE.has(key)) bind(draft)["CreateMountpoint"] = true;
    else if (key === "idmap") draft.idMap = "owner";
    else throw invalidValue(`invalid field '${field}' must be a key=value pair`);
    return;
  }
  const value = field.slice(equals + 1);
  switch (key) {
    case "type":
      draft.Type = value.toLowerCase();
      return;
    case "source":
    case "src":
      draft.Source = value.startsWith(".") ? paths().resolve(value) : value;
      return;
    case "target":
    case "dst":
    case "destination":
      draft.Target = value;
      return;
    case "readonly":
    case "ro":
      draft.ReadOnly = truth(key, value);
      return;
    case "consistency":
      draft.Consistency = value.toLowerCase();
      return;
    case "idmap":
      if (/^(true|1)$/i.test(value)) draft.idMap = "owner";
      else if (/^(false|0)$/i.test(value)) delete draft.idMap;
      else draft.idMap = value;
      return;
    default:
      applyTyped(draft, key, value, field);
  }
}

function applyTyped(draft: Draft, key: string, value: string, field: string): void {
  switch (key) {
    case "bind-propagation":
      bind(draft)["Propagation"] = value.toLowerCase();
      return;
    case "bind-nonrecursive":
      bind(draft)["NonRecursive"] = truth(key, value);
      return;
    case "bind-recursive":
      bindRecursive(draft, value);
      return;
    case "bind-create-src":
    case "bind-create-mountpoint":
    case "create-mountpoint":
      bind(draft)["CreateMountpoint"] = truth(key, value);
      return;
    case "volume-subpath":
      volume(draft)["Subpath"] = value;
      return;
    case "volume-nocopy":
      volume(draft)["NoCopy"] = truth(key, value);
      return;
    case "volume-label":
      addPair(volume(draft).Labels, value);
      return;
    case "volume-driver":
      volume(draft).DriverConfig.Name = value;
      return;
    case "volume-opt": {
      const { DriverConfig } = volume(draft);
      DriverConfig.Options ??= {};
      addPair(DriverConfig.Options, value);
      return;
    }
    case "image-subpath":
      draft.ImageOptions = { ...draft.ImageOptions, Subpath: value };
      return;
    case "tmpfs-size":
      draft.TmpfsOptions = { ...draft.TmpfsOptions, SizeBytes: size(key, value) };
      return;
    case "tmpfs-mode":
      if (!/^[0-7]+$/.test(value) || Number.parseInt(value, 8) > 0xffff_ffff)
        throw invalidValue(`invalid value for ${key}: ${value}`);
      draft.TmpfsOptions = { ...draft.TmpfsOptions, Mode: Number.parseInt(value, 8) };
      return;
    case "tmpfs-options":
      addTmpfsOption(draft, value);
      return;
    default:
      throw invalidValue(`unexpected key '${key}' in '${field}'`);
  }
}

/** Names that Docker's clients have had for it, and the API's own. */
const CREATES_SOURCE = new Set(["bind-create-src", "bind-create-mountpoint", "create-mountpoint"]);

/** One option of the file system, `key` or `key=value`, each time it is given. */
function addTmpfsOption(draft: Draft, text: string): void {
  const equals = text.indexOf("=");
  const option = equals < 0 ? [text] : [text.slice(0, equals), text.slice(equals + 1)];
  const before = (draft.TmpfsOptions?.["Options"] ?? []) as string[][];
  draft.TmpfsOptions = { ...draft.TmpfsOptions, Options: [...before, option] };
}

function bind(draft: Draft): Record<string, unknown> {
  draft.BindOptions ??= {};
  return draft.BindOptions;
}

function volume(draft: Draft): NonNullable<Draft["VolumeOptions"]> {
  draft.VolumeOptions ??= { Labels: {}, DriverConfig: {} };
  return draft.VolumeOptions;
}

function applyIdMap(draft: Draft, idMap: string): void {
  if (draft.Type === "bind") bind(draft)["IDMap"] = idMap;
  else if (draft.Type === "volume") volume(draft)["IDMap"] = idMap;
  else throw invalidValue(`cannot use 'idmap' with mount type '${draft.Type}'`);
}

function bindRecursive(draft: Draft, value: string): void {
  const options = bind(draft);
  if (value === "disabled") options["NonRecursive"] = true;
  else if (value === "writable") options["ReadOnlyNonRecursive"] = true;
  else if (value === "readonly") options["ReadOnlyForceRecursive"] = true;
  else if (value !== "enabled") {
    const allowed = '"enabled", "disabled", "writable", or "readonly"';
    throw invalidValue(`invalid value for bind-recursive: ${value} (must be ${allowed})`);
  }
}

function truth(key: string, value: string): boolean {
  if (/^(?:1|t|T|true|TRUE|True)$/.test(value)) return true;
  if (/^(?:0|f|F|false|FALSE|False)$/.test(value)) return false;
  throw invalidValue(`invalid value for ${key}: ${value}`);
}

function size(key: string, value: string): number {
  try {
    return parseBinarySize(value);
  } catch {
    throw invalidValue(`invalid value for ${key}: ${value}`); // ignored: Docker names the value only
  }
}

function addPair(target: Record<string, string>, text: string): void {
  const equals = text.indexOf("=");
  const key = equals < 0 ? text : text.slice(0, equals);
  if (key !== "") target[key] = equals < 0 ? "" : text.slice(equals + 1);
}

function checkMount(draft: Draft): void {
  if (draft.Type === "") throw invalidValue("type is required");
  if (draft.Target === undefined || draft.Target === "") throw invalidValue("target is required");
  for (const [name, options] of [
    ["volume", draft.VolumeOptions],
    ["image", draft.ImageOptions],
    ["bind", draft.BindOptions],
    ["tmpfs", draft.TmpfsOptions],
  ] as const) {
    if (options !== undefined && draft.Type !== name) {
      throw invalidValue(`cannot mix '${name}-*' options with mount type '${draft.Type}'`);
    }
  }
  const needs = (option: string, what: string): Fault =>
    invalidValue(`option 'bind-recursive=${option}' requires '${what}' to be specified in conjunction`);
  if (draft.BindOptions?.["ReadOnlyNonRecursive"] === true && draft.ReadOnly !== true)
    throw needs("writable", "readonly");
  if (draft.BindOptions?.["ReadOnlyForceRecursive"] === true) {
    if (draft.ReadOnly !== true) throw needs("readonly", "readonly");
    if (draft.BindOptions["Propagation"] !== "rprivate") throw needs("readonly", "bind-propagation=rprivate");
  }
}

export interface VolumeOptions {
  /** `source:target[:options]` as the API takes it. */
  readonly binds: string[];
  /** Anonymous volumes. */
  readonly volumes: Record<string, Record<string, never>>;
}

/** Reads every --volume; relative sources are made absolute. Throws a Fault with Docker's text. */
export function parseVolumes(texts: readonly string[]): VolumeOptions {
  const binds: string[] = [];
  const volumes: Record<string, Record<string, never>> = {};
  for (const text of new Set(texts)) {
    if (!hasSource(text)) {
      volumes[text] = {};
      continue;
    }
    const colon = text.indexOf(":");
    const source = text.slice(0, colon);
    binds.push(source.startsWith(".") ? `${paths().resolve(source)}${text.slice(colon)}` : text);
  }
  return { binds, volumes };
}

/** Whether a volume has a source; compat: a single letter before a colon is a drive of Windows, and part of a path. */
function hasSource(text: string): boolean {
  const refuse = (why: string): Fault => new Fault("invalidParameter", why, { code: "cli.volume" });
  if (text === "") throw refuse("invalid empty volume spec");
  if (text.length <= 2) return false;
  const parts = text.replace(/(?<=^|:)(\p{L}):/gu, "$1\0").split(":");
  if (parts.some((part) => part === "")) throw refuse(`invalid spec: ${text}: empty section between colons`);
  if (parts.length > 3) throw refuse(`invalid spec: ${text}: too many colons`);
  return parts.length > 1;
}
