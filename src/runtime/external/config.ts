// From a specification as the engine makes it to the config.json of a bundle: what is Berth's own in it (names of users, parts of file systems,
// registers) in the words of the standard. What the standard has no words for is mounted into the bundle by the operations that
// come along, from where the runtime binds it.
import { join } from "node:path";
import { Fault } from "../../lib/errors.ts";
import { mountAttrOfFlags, MS, parseMountOptions, SUBDIR_OPTION } from "../../linux/mount-flags.ts";
import { inner, type Op, type Register } from "../../linux/ops.ts";
import { loadSpecHost, type SpecHost } from "../spec/host.ts";
import type {
  OciDeviceRule,
  OciMount,
  OciNamespace,
  OciProcess,
  OciResources,
  OciRlimit,
  OciSeccomp,
  OciSpec,
} from "../spec/oci.ts";
import { RLIM_INFINITY } from "../spec/rlimits.ts";
import { canRaiseLimits } from "../spec/validate.ts";

export interface BundleContext {
  /** The bundle's directory on the host. */
  readonly dir: string;
  /** Host directory on which the root is mounted. */
  readonly rootPath: string;
  readonly stageTarget?: string | undefined;
  /** The network namespace that is joined, instead of what the specification says. */
  readonly netns?: Register | string | undefined;
  /** Mount namespace of the container whose /dev/shm is shared. */
  readonly sharedShm?: string | undefined;
}

export interface BundleConfig {
  /** Text of config.json. */
  readonly config: string;
  /** Name in the bundle on which the joined network namespace is bound, "" where none comes from a register. */
  readonly netnsFile: string;
  /** Operations that mount what the configuration takes from the bundle. */
  readonly parts: Op[];
}

/** Nothing of later versions is in our configurations, and runtimes such as Debian 12's crun refuse to read those. */
const PLAIN_VERSION = "1.0.2";
const NETNS_FILE = "netns";

/** Plans a bundle. Throws Fault invalidParameter for what cannot be said in it. */
export function planBundle(spec: OciSpec, context: BundleContext): BundleConfig {
  const mounts = new BundleMounts(context);
  const process = spec.process;
  if (process === undefined)
    throw new Fault("invalidParameter", "the specification has no process", {
      code: "container.invalid-spec",
    });
  const netnsFile = typeof context.netns === "number" ? NETNS_FILE : "";
  const { seccomp, resources, ...linux } = spec.linux ?? {};
  const config: OciSpec = {
    ...spec,
    ociVersion: PLAIN_VERSION,
    process: plainProcess(process),
    root: { ...spec.root, path: context.rootPath },
    mounts: mounts.all(spec.mounts ?? []),
    linux: {
      ...linux,
      namespaces: namespacesOf(linux.namespaces ?? [], context),
      ...(resources === undefined ? {} : { resources: plainResources(resources) }),
      ...(seccomp === undefined ? {} : { seccomp: plainSeccomp(seccomp) }),
    },
  };
  return { config: ociJson(config), netnsFile, parts: mounts.ops };
}

/**
 * Returns a process in the standard's words; its user has to be of numbers. What this daemon may not raise stays where it is, as with
 * keel: a runtime would fail.
 */
export function plainProcess(process: OciProcess, host: SpecHost = loadSpecHost()): OciProcess {
  const { username: _username, additionalGroups: _groups, ...user } = process.user;
  if (canRaiseLimits(host)) return { ...process, user };
  const { rlimits, oomScoreAdj } = process;
  return {
    ...process,
    user,
    ...(rlimits === undefined ? {} : { rlimits: rlimits.map((limit) => lowered(limit, host)) }),
    ...(oomScoreAdj === undefined ? {} : { oomScoreAdj: Math.max(oomScoreAdj, host.oomScoreAdj) }),
  };
}

function lowered({ type, soft, hard }: OciRlimit, host: SpecHost): OciRlimit {
  const most = host.hardLimit(type);
  return { type, soft: Math.min(soft, most), hard: Math.min(hard, most) };
}

/** Returns the text of a process or a whole configuration; limits without an end are beyond what a double can tell. */
export function ociJson(value: OciProcess | OciSpec): string {
  const { rawJSON } = JSON as unknown as { rawJSON: (text: string) => unknown };
  return JSON.stringify(value, (_key, v: unknown) =>
    v === RLIM_INFINITY ? rawJSON("18446744073709551615") : v,
  );
}

/** Any device is the absence of a number: crun takes -1 for one. */
function plainResources({ devices, ...rest }: OciResources): OciResources {
  if (devices === undefined) return rest;
  const plain = ({ major = -1, minor = -1, ...rule }: OciDeviceRule): OciDeviceRule => ({
    ...rule,
    ...(major < 0 ? {} : { major }),
    ...(minor < 0 ? {} : { minor }),
  });
  return { ...rest, devices: devices.map(plain) };
}

function plainSeccomp(seccomp: OciSeccomp): OciSeccomp {
  return {
    ...seccomp,
    ...(seccomp.syscalls === undefined
      ? {}
      : {
          syscalls: seccomp.syscalls.map((rule) => ({
            ...rule,
            ...(rule.args === undefined ? {} : { args: rule.args.map(({ bits: _bits, ...arg }) => arg) }),
          })),
        }),
  };
}

function namespacesOf(namespaces: readonly OciNamespace[], { dir, netns }: BundleContext): OciNamespace[] {
  if (netns === undefined) return [...namespaces];
  const path = typeof netns === "string" ? netns : join(dir, NETNS_FILE);
  return [...namespaces.filter((n) => n.type !== "network"), { type: "network", path }];
}

/** Collects what has to be mounted into the bundle first. */
class BundleMounts {
  readonly ops: Op[] = [];
  readonly #context: BundleContext;
  #count = 0;

  constructor(context: BundleContext) {
    this.#context = context;
  }

  all(mounts: readonly OciMount[]): OciMount[] {
    return [...mounts.map((mount) => this.#one(mount)), ...this.#sharedShm(mounts)];
  }

  /** A place in the bundle: as a path in it and as one of the host's. */
  #place(): { inBundle: string; onHost: string } {
    const inBundle = `/part${this.#count++}`;
    return { inBundle, onHost: this.#context.dir + inBundle };
  }

  /** What is mounted as a whole stays as it is; a part is bound into the bundle, and from there. */
  #one(mount: OciMount): OciMount {
    const options = mount.options ?? [];
    const o = parseMountOptions(options);
    if (o.subdir === "") return mount;
    const kept = options.filter((option) => !option.startsWith(SUBDIR_OPTION));
    const { inBundle, onHost } = this.#place();
    if (mount.type === "bind" || (o.flags & MS.BIND) !== 0) {
      const recursive = (o.flags & MS.REC) !== 0;
      this.ops.push(inner.bind(mount.source ?? "", inBundle, { recursive, sub: o.subdir }));
      return { ...mount, source: onHost, options: kept };
    }
    const at = this.#context.stageTarget;
    if (at === undefined)
      throw new Fault(
        "invalidParameter",
        `mount ${mount.destination}: parts of file systems cannot be mounted here`,
        {
          code: "container.invalid-mount",
        },
      );
    const type = mount.type ?? "";
    this.ops.push(
      inner.stage(type, mount.source || type, at, o.flags, o.data.join(",")),
      inner.bind(at, inBundle, { attr: mountAttrOfFlags(o.flags), sub: o.subdir }),
    );
    const access = (o.flags & MS.RDONLY) === 0 ? [] : ["ro"];
    return { destination: mount.destination, type: "bind", source: onHost, options: ["bind", ...access] };
  }

  #sharedShm(mounts: readonly OciMount[]): OciMount[] {
    const { sharedShm } = this.#context;
    if (sharedShm === undefined || mounts.some((m) => m.destination === "/dev/shm")) return [];
    const { inBundle, onHost } = this.#place();
    this.ops.push(inner.bindFrom(sharedShm, "/dev/shm", inBundle));
    return [{ destination: "/dev/shm", type: "bind", source: onHost, options: ["bind", "rprivate"] }];
  }
}
