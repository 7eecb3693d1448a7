// From the text or the JSON of a foreign config.json to an OciSpec that the planner can take as it is. The one way in for bundles:
// shape first (decode.ts), then what fields mean together (check*.ts). Throws nothing but Fault invalidParameter or notImplemented.

import { readlinkSync } from "node:fs";
import { posix } from "node:path";
import { parseExactJson, parseJson } from "../../../lib/json/parse.ts";
import type { OciMount, OciProcess, OciResources, OciSpec } from "../oci.ts";
import { checkProcess, checkSpec } from "./check.ts";
import { checkResources } from "./check-resources.ts";
import { processShape, specShape } from "./decode.ts";
import { resourcesShape } from "./decode-linux.ts";
import { type BundleFacts, MACHINE_FACTS } from "./facts.ts";
import { invalid } from "./shape.ts";

export interface ParsedSpec {
  spec: OciSpec;
  /** For the user or the log: what was taken although it should not be written so. */
  warnings: string[];
}

export interface BundleOptions {
  /** Absolute directory of the bundle, which relative paths of the root and of bind sources start from. */
  bundle?: string;
  facts?: BundleFacts;
}

/** More than any real one has; the plan has to fit into one frame, too. */
const MAX_CONFIG_CHARS = 16 << 20;

/** Numbers of seccomp arguments are 64 bits of meaning each. */
const EXACT_KEYS = ["value", "valueTwo"];

/** Parses the text of a config.json. Throws Fault invalidParameter, which names the field. */
export function parseSpec(text: string, options: BundleOptions = {}): ParsedSpec {
  return decodeSpec(parseDocument(text), options);
}

/** As parseSpec, from parsed JSON; integers beyond 2^53 should be bigints where they must not lose digits. */
export function decodeSpec(json: unknown, options: BundleOptions = {}): ParsedSpec {
  const warnings: string[] = [];
  const checked = checkSpec(specShape(json, ""), options.facts ?? MACHINE_FACTS, (text) =>
    warnings.push(text),
  );
  return { spec: options.bundle === undefined ? checked : rooted(checked, options.bundle), warnings };
}

/** Returns the process of a file such as `exec --process` takes, checked as `process` of a config.json is. */
export function parseProcess(
  text: string,
  options: BundleOptions = {},
): { process: OciProcess; warnings: string[] } {
  const warnings: string[] = [];
  const found = processShape(parseDocument(text), "process");
  const process = checkProcess(found, options.facts ?? MACHINE_FACTS, (warning) => warnings.push(warning));
  return { process, warnings };
}

/** Returns the resources of a file such as `update --resources` takes. */
export function parseResources(text: string): OciResources {
  const resources = resourcesShape(parseDocument(text), "resources");
  checkResources(resources, "resources");
  return resources;
}

function parseDocument(text: string): unknown {
  if (text.length > MAX_CONFIG_CHARS) throw invalid("", "it is larger than 16 MiB");
  const json = parseJson(text);
  // bigints take a slow reviver: only where there is a number that needs one
  return /[0-9]{16}/.test(text) ? parseExactJson(text, EXACT_KEYS) : json;
}

function rooted(spec: OciSpec, bundle: string): OciSpec {
  const root = posix.resolve(bundle, spec.root?.path ?? "");
  return {
    ...spec,
    ...(spec.root ? { root: { ...spec.root, path: root } } : {}),
    ...(spec.mounts ? { mounts: spec.mounts.map((m) => belowRoot(rootedMount(m, bundle), root)) } : {}),
  };
}

/** compat: runc takes a destination that begins with the root's own path on the host as one in the root. */
function belowRoot(mount: OciMount, root: string): OciMount {
  if (root === "/" || !mount.destination.startsWith(`${root}/`)) return mount;
  return { ...mount, destination: mount.destination.slice(root.length) };
}

function rootedMount(mount: OciMount, bundle: string): OciMount {
  const isBind =
    mount.type === "bind" || mount.options?.some((option) => option === "bind" || option === "rbind");
  if (!isBind || mount.source === undefined) return mount;
  return { ...mount, source: posix.resolve(bundle, ownDescriptor(mount.source)) };
}

/**
 * The path of what a descriptor of this process has open: keel's processes have others, and the kernel lets nobody clone a mount
 * through a descriptor that is of another mount namespace than his own.
 */
function ownDescriptor(source: string): string {
  const [, number] = /^\/(?:proc\/self\/fd|proc\/thread-self\/fd|dev\/fd)\/(\d+)$/.exec(source) ?? [];
  if (number === undefined) return source;
  let path: string;
  try {
    path = readlinkSync(`/proc/self/fd/${number}`);
  } catch {
    throw invalid("mounts", `descriptor ${number} of ${source} is not open`);
  }
  if (!path.startsWith("/") || path.endsWith(" (deleted)"))
    throw invalid("mounts", `descriptor ${number} of ${source} has no path any more: ${path}`);
  return path;
}
