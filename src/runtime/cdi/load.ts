// The devices of the host's CDI directories. They are read when somebody asks for a device, so that what a vendor's tool has written is there
// at once and nothing is watched for those who have none.

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { messageOf } from "../../lib/errors.ts";
import { parseJson } from "../../lib/json/parse.ts";
import { type CdiEdits, type CdiSpec, parseCdiSpec } from "./spec.ts";

export interface CdiDevice {
  /** `vendor.com/class=name`. */
  readonly id: string;
  /** The file's, and the device's own before them. */
  readonly annotations: Readonly<Record<string, string>>;
  readonly edits: CdiEdits;
  /** The file's, for whoever gets any of its devices: the same object in all of them. */
  readonly shared: CdiEdits | undefined;
}

export interface CdiCatalogue {
  /** By id, in the order of the ids. */
  readonly devices: ReadonlyMap<string, CdiDevice>;
  /** Files that say nothing that can be used, and devices that several files claim. */
  readonly problems: readonly { readonly path: string; readonly why: string }[];
}

const MAX_FILE_BYTES = 16 << 20;

/**
 * Returns the devices of some directories. What a later directory says of a device counts instead of an earlier one's; one
 * that two files of the same directory have is nobody's. A directory that is not there has no devices.
 */
export async function loadCdiDevices(dirs: readonly string[]): Promise<CdiCatalogue> {
  const devices = new Map<string, CdiDevice>();
  const problems: { path: string; why: string }[] = [];
  for (const dir of dirs) {
    const here = new Map<string, { device: CdiDevice; path: string }>();
    const disputed = new Set<string>();
    for (const path of await specFilesOf(dir, problems)) {
      for (const device of devicesOf(await specAt(path, problems))) {
        const other = here.get(device.id);
        if (other === undefined) {
          here.set(device.id, { device, path });
          continue;
        }
        problems.push({
          path,
          why: `conflicting device ${JSON.stringify(device.id)}: also in ${other.path}`,
        });
        disputed.add(device.id);
      }
    }
    for (const [id, { device }] of here) devices.set(id, device);
    for (const id of disputed) devices.delete(id);
  }
  return { devices: new Map([...devices].sort(([a], [b]) => (a < b ? -1 : 1))), problems };
}

async function specFilesOf(dir: string, problems: { path: string; why: string }[]): Promise<string[]> {
  try {
    const names = await readdir(dir);
    return names
      .filter((name) => /\.(?:json|yaml)$/.test(name))
      .sort()
      .map((name) => join(dir, name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT")
      problems.push({ path: dir, why: messageOf(error) });
    return [];
  }
}

async function specAt(path: string, problems: { path: string; why: string }[]): Promise<CdiSpec | undefined> {
  try {
    const text = await readFile(path, "utf8");
    if (text.length > MAX_FILE_BYTES) throw new Error("it is larger than 16 MiB");
    return parseCdiSpec(path.endsWith(".json") ? parseJson(text) : (await import("yaml")).parse(text));
  } catch (error) {
    problems.push({ path, why: messageOf(error) });
    return undefined;
  }
}

function devicesOf(spec: CdiSpec | undefined): CdiDevice[] {
  if (spec === undefined) return [];
  return spec.devices.map(({ name, annotations, containerEdits }) => ({
    id: `${spec.kind}=${name}`,
    annotations: { ...spec.annotations, ...annotations },
    edits: containerEdits,
    shared: spec.containerEdits,
  }));
}
