// A container's user namespace: how it comes about, and what of the plan is done from outside of it. The file systems are mounted by
// who started the shim (native/outside.c), whose ids are the host's: owners that the specification names in the container's ids are
// translated here.

import { Fault } from "../../lib/errors.ts";
import {
  checkIdMap,
  checkIdRanges,
  type IdMap,
  idMapTexts,
  type IdRange,
  outsideId,
  outsideRoot,
} from "../../linux/idmap.ts";
import {
  type IdMaps,
  type NamespaceJoin,
  host,
  type Op,
  type OutsidePlan,
  type Register,
} from "../../linux/ops.ts";
import type { OciDevice, OciIdMapping, OciMount, OciSpec } from "../spec/oci.ts";
import { CLONE_FLAG } from "./namespaces.ts";

/** Register of the request that holds the container's user namespace; network namespaces that are made for it belong to it. */
export const USERNS: Register = 30;

/** What a plan has to know of the container's user namespace. */
export interface UsernsPlan {
  readonly map: IdMap;
  readonly join: NamespaceJoin;
}

/**
 * Returns the user namespace that a specification asks for, undefined for none. `isMade`: register USERNS holds it already. For one
 * that is joined by path the mappings have to be the namespace's own. Throws Fault invalidParameter.
 */
export function planUserns(spec: OciSpec): UsernsPlan | undefined {
  const { namespaces = [], uidMappings = [], gidMappings = [] } = spec.linux ?? {};
  const namespace = namespaces.find(({ type }) => type === "user");
  if (namespace === undefined) {
    if (uidMappings.length + gidMappings.length > 0)
      throw invalid("user namespace mappings specified, but user namespace isn't enabled in the config");
    return undefined;
  }
  const map = checkIdMap({ uids: rangesOf(uidMappings), gids: rangesOf(gidMappings) });
  const type = CLONE_FLAG.user;
  return { map, join: namespace.path ? { type, path: namespace.path } : { type, reg: USERNS } };
}

/** Returns the operation that makes a user namespace with this map. */
export function makeUserns(map: IdMap, tools?: { uid: string; gid: string }): Op {
  return host.usernsNew(USERNS, idMapTexts(map), tools);
}

/** Returns what is done outside of the namespace. */
export function planOutside(map: IdMap, ops: readonly Op[]): OutsidePlan {
  const root = outsideRoot(map);
  return { rootUid: root.uid, rootGid: root.gid, ops };
}

/** Returns the specification with owners in mounts and devices as the host knows them. */
export function withOutsideOwners(spec: OciSpec, map: IdMap): OciSpec {
  const { mounts, linux } = spec;
  return {
    ...spec,
    ...(mounts === undefined ? {} : { mounts: mounts.map((m) => withOutsideOptions(m, map)) }),
    linux: {
      ...linux,
      ...(linux?.devices === undefined ? {} : { devices: linux.devices.map((d) => deviceOutside(d, map)) }),
    },
  };
}

/** tmpfs and devpts take owners as options. */
function withOutsideOptions(mount: OciMount, map: IdMap): OciMount {
  if (mount.type !== "tmpfs" && mount.type !== "devpts") return mount;
  const options = mount.options?.map((option) => {
    const [, key, id] = /^(uid|gid)=(\d+)$/.exec(option) ?? [];
    if (key === undefined) return option;
    const outside = outsideId(key === "uid" ? map.uids : map.gids, Number(id));
    if (outside === undefined) throw invalid(`mount ${mount.destination}: the ${key} ${id} is not mapped`);
    return `${key}=${outside}`;
  });
  return { ...mount, ...(options === undefined ? {} : { options }) };
}

/** A host's device whose owner nobody in the container can be becomes its root's. */
function deviceOutside(device: OciDevice, map: IdMap): OciDevice {
  const root = outsideRoot(map);
  return {
    ...device,
    uid: outsideId(map.uids, device.uid ?? 0) ?? root.uid,
    gid: outsideId(map.gids, device.gid ?? 0) ?? root.gid,
  };
}

/**
 * Returns how a mount shows its files with other owners, undefined where it does not: `mappings` of its own, or the container's where
 * the options say idmap or ridmap. The mappings name the file system's ids as the container's.
 */
export function idMapOfMount(
  mount: OciMount,
  isAsked: { isIdMapped: boolean; isIdMapRecursive: boolean },
  container: IdMap | undefined,
): (IdMaps & { isRecursive: boolean }) | undefined {
  const { uidMappings = [], gidMappings = [] } = mount;
  const hasOwn = uidMappings.length + gidMappings.length > 0;
  if (!hasOwn && !isAsked.isIdMapped) return undefined;
  const what = `mount ${mount.destination}`;
  if (!hasOwn && container === undefined) throw invalid(`${what}: id-mapped, but there are no mappings`);
  const map = hasOwn
    ? {
        uids: checkIdRanges(rangesOf(uidMappings), `${what}: uid mappings`),
        gids: checkIdRanges(rangesOf(gidMappings), `${what}: gid mappings`),
      }
    : (container as IdMap);
  return { ...idMapTexts(map), isRecursive: isAsked.isIdMapRecursive };
}

function rangesOf(mappings: readonly OciIdMapping[]): IdRange[] {
  return mappings.map(({ containerID, hostID, size }) => ({ inside: containerID, outside: hostID, size }));
}

function invalid(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "container.invalid-userns" });
}
