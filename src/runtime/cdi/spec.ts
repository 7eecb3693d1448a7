// A CDI specification: a file in which a vendor says what a container needs for each of his devices (nodes, mounts, variables,
// hooks). Such files are the administrator's, who may write below /etc; a part that is not known is refused all the same,
// since a device without it would not be the one that was asked for.

import { Fault } from "../../lib/errors.ts";
import type { OciHooks, OciIntelRdt } from "../spec/oci.ts";
import {
  anyText,
  bool,
  type Fields,
  integer,
  list,
  object,
  oneOf,
  record,
  required,
  type Shape,
  text,
  uint32,
} from "../spec/bundle/shape.ts";
import { problemOfKind, problemOfName } from "./names.ts";

export interface CdiDeviceNode {
  /** In the container. */
  path: string;
  hostPath?: string;
  type?: "b" | "c" | "u" | "p";
  major?: number;
  minor?: number;
  fileMode?: number;
  /** Of `rwm`, or `none`; the default is all. */
  permissions?: string;
  uid?: number;
  gid?: number;
}

export interface CdiMount {
  hostPath: string;
  containerPath: string;
  options?: string[];
  type?: string;
}

export interface CdiHook {
  hookName: keyof OciHooks;
  path: string;
  args?: string[];
  env?: string[];
  /** Seconds. */
  timeout?: number;
}

export interface CdiEdits {
  env?: string[];
  deviceNodes?: CdiDeviceNode[];
  netDevices?: { hostInterfaceName: string; name: string }[];
  mounts?: CdiMount[];
  hooks?: CdiHook[];
  intelRdt?: OciIntelRdt;
  additionalGids?: number[];
}

export interface CdiSpecDevice {
  name: string;
  annotations?: Record<string, string>;
  containerEdits: CdiEdits;
}

export interface CdiSpec {
  cdiVersion: string;
  /** `vendor.com/class`. */
  kind: string;
  annotations?: Record<string, string>;
  /** For whoever gets any of the devices. */
  containerEdits?: CdiEdits;
  devices: CdiSpecDevice[];
}

/** As `object`, but a key that is not listed is an error. */
function exactly<T extends object>(fields: Fields<T>): Shape<T> {
  const shape = object<T>(fields);
  return (value, at) => {
    const result = shape(value, at);
    for (const key of Object.keys(value as object))
      if (!Object.hasOwn(fields, key)) throw invalid(`${at === "" ? "" : `${at}.`}${key}: it is not known`);
    return result;
  };
}

const variable: Shape<string> = (value, at) => {
  const found = text(value, at);
  if (found.indexOf("=") <= 0) throw invalid(`${at}: invalid environment variable ${JSON.stringify(found)}`);
  return found;
};

const path: Shape<string> = (value, at) => {
  const found = text(value, at);
  if (!found.startsWith("/")) throw invalid(`${at}: ${JSON.stringify(found)} is not an absolute path`);
  return found;
};

const permissions: Shape<string> = (value, at) => {
  const found = text(value, at);
  if (found !== "none" && !/^[rwm]*$/.test(found))
    throw invalid(`${at}: invalid permissions ${JSON.stringify(found)}`);
  return found;
};

const edits = exactly<CdiEdits>({
  env: list(variable),
  deviceNodes: list(
    exactly<CdiDeviceNode>({
      path: required(path),
      hostPath: path,
      type: oneOf(["b", "c", "u", "p"]),
      major: integer(0, 2 ** 31 - 1),
      minor: integer(0, 2 ** 31 - 1),
      fileMode: integer(0, 0o7777),
      permissions,
      uid: uint32,
      gid: uint32,
    }),
  ),
  netDevices: list(
    exactly<{ hostInterfaceName: string; name: string }>({
      hostInterfaceName: required(text),
      name: required(text),
    }),
  ),
  mounts: list(
    exactly<CdiMount>({
      hostPath: required(text),
      containerPath: required(path),
      options: list(text),
      type: text,
    }),
  ),
  hooks: list(
    exactly<CdiHook>({
      hookName: required(
        oneOf([
          "prestart",
          "createRuntime",
          "createContainer",
          "startContainer",
          "poststart",
          "poststop",
        ] as const),
      ),
      path: required(path),
      args: list(text),
      env: list(variable),
      timeout: integer(0, 2 ** 31 - 1),
    }),
  ),
  intelRdt: exactly<OciIntelRdt>({
    closID: text,
    schemata: list(text),
    l3CacheSchema: text,
    memBwSchema: text,
    enableMonitoring: bool,
  }),
  additionalGids: list(uint32),
});

const document = exactly<CdiSpec>({
  cdiVersion: required(text),
  kind: required(text),
  annotations: record(anyText),
  containerEdits: edits,
  devices: required(
    list(
      exactly<CdiSpecDevice>({
        name: required(text),
        annotations: record(anyText),
        containerEdits: required(edits),
      }),
    ),
  ),
});

/** Returns a parsed JSON or YAML document as a specification. Throws Fault `cdi.invalid`, which names the field. */
export function parseCdiSpec(json: unknown): CdiSpec {
  const spec = shaped(json);
  // Later minor versions add parts, which are refused by their names; another major version has another meaning.
  if (!/^(?:0|1)\.\d+\.\d+$/.test(spec.cdiVersion))
    throw invalid(`cdiVersion: ${JSON.stringify(spec.cdiVersion)} is not known`);
  const kind = problemOfKind(spec.kind);
  if (kind !== undefined) throw invalid(`kind: ${kind}`);
  const names = new Set<string>();
  for (const [i, device] of spec.devices.entries()) {
    const why = problemOfName(device.name);
    if (why !== undefined) throw invalid(`devices[${i}].name: ${why}`);
    if (names.has(device.name))
      throw invalid(`devices[${i}].name: there are two devices ${JSON.stringify(device.name)}`);
    names.add(device.name);
  }
  return spec;
}

function shaped(json: unknown): CdiSpec {
  try {
    return document(json, "");
  } catch (error) {
    const why = error instanceof Fault ? error.detail?.["why"] : undefined;
    throw typeof why === "string" ? invalid(why) : error;
  }
}

function invalid(why: string): Fault {
  return new Fault("invalidParameter", why, { code: "cdi.invalid", detail: { why } });
}
