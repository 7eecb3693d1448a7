// The options of a `local` volume (`volume create -o type=… -o device=… -o o=…`): what Docker accepts, and the mount that
// they stand for. Pure but for the look-up of a server's address.
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { Fault } from "../../lib/errors.ts";
import { parseBinarySize } from "../../lib/units/size.ts";
import { MS, parseMountOptions } from "../../linux/mount-flags.ts";
import { host, type Op } from "../../linux/ops.ts";
import { table } from "../../lib/table.ts";

export type VolumeOptions = Readonly<Record<string, string>>;

const KNOWN = ["type", "o", "device", "size"];
const NEEDS: Readonly<Record<string, readonly string[]>> = table({
  device: ["type"],
  type: ["device"],
  o: ["device", "type"],
});

/** Fails with invalidParameter, in Docker's words, on options that mean nothing or lack each other. */
export function checkOptions(options: VolumeOptions): void {
  for (const key of Object.keys(options))
    if (!KNOWN.includes(key)) throw invalid(`invalid option: ${JSON.stringify(key)}`);
  if (options["type"] === "cifs" && /^\/\/[^/]*:\d+(\/|$)/.test(options["device"] ?? ""))
    throw invalid("port not allowed in CIFS device URL, include 'port' in 'o='");
  if (sizeOption(options) > 0 && needsMount(options))
    throw invalid('the option "size" is for volumes without a type: what limits a mount is in "o"');
  for (const [key, needed] of Object.entries(NEEDS)) {
    const missing = options[key] === undefined ? undefined : needed.find((n) => options[n] === undefined);
    if (missing !== undefined) throw invalid(`missing required option: ${JSON.stringify(missing)}`);
  }
}

/** Returns the limit in bytes, 0 for none. Fails with invalidParameter. */
export function sizeOption(options: VolumeOptions): number {
  return options["size"] === undefined ? 0 : parseBinarySize(options["size"]);
}

/** Whether a volume is a mount of its own and not just a directory. */
export function needsMount(options: VolumeOptions | null): boolean {
  return Boolean(options?.["type"] || options?.["device"]);
}

/** A mount in the kernel's words. */
export interface VolumeMount {
  readonly fstype: string;
  readonly source: string;
  /** MS_* of the first mount(2). */
  readonly flags: number;
  readonly data: string;
  /** MS_* of the propagation, 0 when not asked for. */
  readonly propagation: number;
}

/** Returns the mount that options describe; the name of an NFS or CIFS server is looked up, since the kernel wants an address. */
export async function mountOf(options: VolumeOptions): Promise<VolumeMount> {
  const { type = "", device = "", o = "" } = options;
  const network = type === "nfs" || type === "cifs";
  const [source, text] = network ? await withAddress(type, device, o) : [device, o];
  const parsed = parseMountOptions(text.split(","));
  return {
    fstype: type,
    source,
    flags: parsed.flags,
    data: parsed.data.join(","),
    propagation: parsed.propagation,
  };
}

async function withAddress(type: string, device: string, o: string): Promise<[string, string]> {
  const name = /(?:^|,)addr=([^,]*)/.exec(o)?.[1] ?? "";
  if (name !== "") {
    if (isIP(name) === 4) return [device, o];
    return [device, o.replace(`addr=${name}`, `addr=${await addressOf(name)}`)];
  }
  const server = type === "cifs" ? /^\/\/([^/]+)/.exec(device)?.[1] : undefined;
  if (server === undefined || isIP(server) !== 0) return [device, o];
  return [device.replace(server, await addressOf(server)), o];
}

async function addressOf(name: string): Promise<string> {
  try {
    return (await lookup(name)).address;
  } catch (error) {
    throw new Fault("system", `error resolving passed in network volume address: ${name}`, {
      code: "volume.address",
      cause: error,
    });
  }
}

/** Returns the operations of a mount at `target`: a read-only bind needs a second call, propagation one more. */
export function mountOps(mount: VolumeMount, target: string): Op[] {
  const { fstype, source, flags, data, propagation } = mount;
  const bindReadonly = MS.BIND | MS.RDONLY;
  return [
    host.mount(fstype, source, target, flags, data),
    ...(propagation === 0 ? [] : [host.mount("", "", target, propagation)]),
    ...((flags & bindReadonly) === bindReadonly ? [host.mount("", "", target, flags | MS.REMOUNT)] : []),
  ];
}

/** Returns what was tried, as Docker tells it; a password does not get into messages. */
export function describeMount(mount: VolumeMount, target: string): string {
  const flags = mount.flags === 0 ? "" : `, flags: 0x${mount.flags.toString(16)}`;
  const data = mount.data.replace(/(^|,)password=[^,]*/g, "$1password=********");
  return `mount ${mount.source}:${target}${flags}${data === "" ? "" : `, data: ${data}`}`;
}

function invalid(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "volume.option" });
}
