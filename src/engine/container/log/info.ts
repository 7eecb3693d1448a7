// What a log driver may know of a container, and what the options `tag`, `labels` and `env` make of it.
import { messageOf } from "../../../lib/errors.ts";
import { hostname } from "node:os";
import { Template } from "../../../template/template.ts";
import { type GoFunc, GoStruct } from "../../../template/values.ts";
import type { ContainerRecord } from "../record.ts";
import { invalidOption, type LogOptions } from "./settings.ts";

export interface LogInfo {
  readonly options: LogOptions;
  readonly containerId: string;
  /** Without the leading slash. */
  readonly containerName: string;
  /** The program and its arguments. */
  readonly command: readonly string[];
  readonly imageId: string;
  readonly imageName: string;
  readonly createdAt: string;
  readonly env: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

export function infoOf(record: ContainerRecord): LogInfo {
  return {
    options: record.hostConfig.LogConfig.Config ?? {},
    containerId: record.id,
    containerName: record.name,
    command: [record.path, ...record.args],
    imageId: record.imageId,
    imageName: record.config.Image,
    createdAt: record.createdAt,
    env: record.config.Env ?? [],
    labels: record.config.Labels ?? {},
  };
}

/**
 * Returns the labels and variables that the options `labels`, `labels-regex`, `env` and `env-regex` ask for, sorted by name; a
 * later one replaces an earlier one of the same name. `rename` makes names that the receiver understands.
 */
export function extraAttributes(
  info: LogInfo,
  rename: (name: string) => string = (name) => name,
): Record<string, string> {
  const env = new Map(info.env.filter((e) => e.includes("=")).map((e) => splitAt(e, e.indexOf("="))));
  const labels = new Map(Object.entries(info.labels));
  const found = [
    ...named(labels, info.options["labels"]),
    ...matching(labels, info.options["labels-regex"]),
    ...named(env, info.options["env"]),
    ...matching(env, info.options["env-regex"]),
  ];
  const byName = new Map(found.map(([name, value]) => [rename(name), value]));
  return Object.fromEntries([...byName].sort(([a], [b]) => (a < b ? -1 : 1)));
}

const splitAt = (text: string, at: number): [string, string] => [text.slice(0, at), text.slice(at + 1)];

function named(values: ReadonlyMap<string, string>, list: string | undefined): [string, string][] {
  const names = list === undefined || list === "" ? [] : list.split(",");
  return names.flatMap((name) => (values.has(name) ? [[name, values.get(name) as string]] : []));
}

function matching(values: ReadonlyMap<string, string>, pattern: string | undefined): [string, string][] {
  if (pattern === undefined || pattern === "") return [];
  const expression = compileGoPattern(pattern);
  return [...values].filter(([name]) => expression.test(name));
}

/** Go's syntax where it differs and is in use: flags in front, named groups. */
function compileGoPattern(pattern: string): RegExp {
  const flags = /^\(\?([ims]+)\)/.exec(pattern)?.[1] ?? "";
  const source = pattern.slice(flags === "" ? 0 : flags.length + 3).replaceAll("(?P<", "(?<");
  try {
    return new RegExp(source, `${flags}u`);
  } catch (error) {
    throw invalidOption(`error parsing regexp: ${messageOf(error)}`);
  }
}

/** Returns the text of the option `tag`, or of `initial` where it is not given. Fails with invalidParameter in Go's words. */
export function logTag(info: LogInfo, initial: string): string {
  const source = info.options["tag"] || initial;
  return source === "" ? "" : new Template(source, { name: "log-tag" }).execute(goInfo(info));
}

const shortId = (id: string): string => id.slice(id.indexOf(":") + 1).slice(0, 12);

/** compat: the value of type logger.Info on which Docker executes the template. */
function goInfo(info: LogInfo): GoStruct {
  const methods: Record<string, () => unknown> = {
    ID: () => shortId(info.containerId),
    FullID: () => info.containerId,
    Name: () => info.containerName,
    ImageID: () => shortId(info.imageId),
    ImageFullID: () => info.imageId,
    ImageName: () => info.imageName,
    Command: () => info.command.join(" "),
    Hostname: () => hostname(),
  };
  const fields = new Map<string, unknown>([
    ["Config", info.options],
    ["ContainerID", info.containerId],
    ["ContainerName", `/${info.containerName}`],
    ["ContainerEntrypoint", info.command[0] ?? ""],
    ["ContainerArgs", info.command.slice(1)],
    ["ContainerImageID", info.imageId],
    ["ContainerImageName", info.imageName],
    ["ContainerCreated", info.createdAt],
    ["ContainerEnv", info.env],
    ["ContainerLabels", info.labels],
    ["LogPath", ""],
    ["DaemonName", "docker"],
  ]);
  const callable = Object.entries(methods).map(([name, call]): [string, GoFunc] => [
    name,
    { params: [], call },
  ]);
  return new GoStruct("*logger.Info", fields, Object.fromEntries(callable));
}
