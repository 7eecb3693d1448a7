// A foreign config.json as an OciSpec: each field that Linux has gets its shape, whatever else is there is left out (extensions,
// other platforms, `process.user.username` and `process.commandLine`, which are Windows'). What fields mean together is check.ts's.

import { IOPRIO_CLASSES, SCHED_FLAGS, SCHED_POLICIES, wordsOf } from "../kernel-words.ts";
import type {
  OciCapabilities,
  OciHook,
  OciHooks,
  OciMount,
  OciProcess,
  OciRlimit,
  OciRoot,
  OciScheduler,
  OciSpec,
  OciUser,
} from "../oci.ts";
import { idMapping, linux } from "./decode-linux.ts";
import {
  anyText,
  bool,
  defaulted,
  int32,
  integer,
  list,
  object,
  oneOf,
  record,
  required,
  type Shape,
  text,
  uint32,
  uint64,
} from "./shape.ts";

/** Berth's own fields of a user are not the file's to set. */
const user: Shape<OciUser> = object<Omit<OciUser, "username" | "additionalGroups">>({
  uid: defaulted(uint32, () => 0),
  gid: defaulted(uint32, () => 0),
  umask: integer(0, 0o7777),
  additionalGids: list(uint32),
});

const capabilities = object<OciCapabilities>({
  bounding: list(text),
  effective: list(text),
  inheritable: list(text),
  permitted: list(text),
  ambient: list(text),
});

const rlimit = object<OciRlimit>({ type: required(text), hard: required(uint64), soft: required(uint64) });

const scheduler = object<OciScheduler>({
  policy: required(oneOf(wordsOf(SCHED_POLICIES))),
  nice: int32,
  priority: int32,
  flags: list(oneOf(wordsOf(SCHED_FLAGS))),
  runtime: uint64,
  deadline: uint64,
  period: uint64,
});

export const processShape: Shape<OciProcess> = object<OciProcess>({
  terminal: bool,
  consoleSize: object<{ height: number; width: number }>({
    height: required(uint32),
    width: required(uint32),
  }),
  user: defaulted(user, () => ({ uid: 0, gid: 0 })),
  args: list(text),
  env: list(text),
  cwd: required(text),
  capabilities,
  rlimits: list(rlimit),
  noNewPrivileges: bool,
  apparmorProfile: text,
  oomScoreAdj: integer(-1000, 1000),
  scheduler,
  selinuxLabel: text,
  ioPriority: object<{ class: string; priority: number }>({
    class: required(oneOf(wordsOf(IOPRIO_CLASSES))),
    priority: defaulted(integer(0, 7), () => 0),
  }),
  execCPUAffinity: object<{ initial?: string; final?: string }>({ initial: text, final: text }),
});

const mount = object<OciMount>({
  destination: required(text),
  type: text,
  source: text,
  options: list(text),
  uidMappings: list(idMapping),
  gidMappings: list(idMapping),
});

const hook = object<OciHook>({
  path: required(text),
  args: list(text),
  env: list(text),
  timeout: integer(1, 2 ** 31 - 1),
});

const hooks = object<OciHooks>({
  prestart: list(hook),
  createRuntime: list(hook),
  createContainer: list(hook),
  startContainer: list(hook),
  poststart: list(hook),
  poststop: list(hook),
});

export const specShape: Shape<OciSpec> = object<OciSpec>({
  ociVersion: required(text),
  process: processShape,
  root: object<OciRoot>({ path: required(text), readonly: bool }),
  hostname: text,
  domainname: text,
  mounts: list(mount),
  hooks,
  annotations: record(anyText, anyText),
  linux,
});
