// The attributes of a service, in the order in which Docker Compose prints them.

import { isIP } from "node:net";
import { child, type MapNode, type Node, textOf, scalar, withEntry } from "../tree/node.ts";
import { build, develop } from "./build.ts";
import { deploy } from "./deploy.ts";
import { byName, byPath, byPort, byTarget, byText } from "./keys.ts";
import {
  anyText,
  bool,
  bytes,
  command,
  duration,
  float,
  hosts,
  int,
  list,
  map,
  nullablePairs,
  numeric,
  object,
  pairs,
  text,
  word,
} from "./shape.ts";
import {
  deviceRequest,
  fileReferences,
  hook,
  hookFields,
  labels,
  mountedSecrets,
  namedStrings,
  options,
  ulimits,
} from "./shared.ts";
import {
  allGpus,
  device,
  envFile,
  named,
  ports,
  startedDependency,
  volume,
  withoutOptions,
} from "./short-forms.ts";

const weight = object({ path: text(), weight: int() }, { isUntagged: true });
const rate = object({ path: text(), rate: bytes() }, { isUntagged: true });

const blkio = object({
  weight: int(),
  weight_device: list(weight),
  device_read_bps: list(rate),
  device_read_iops: list(rate),
  device_write_bps: list(rate),
  device_write_iops: list(rate),
});

const dependency = object(
  {
    condition: word("service_started", "service_healthy", "service_completed_successfully"),
    restart: bool(),
    required: bool({ isPointer: true }),
  },
  { required: ["condition"] },
);

const healthcheck = object({
  test: command({ isScript: true }),
  timeout: duration({ isPointer: true }),
  interval: duration({ isPointer: true }),
  retries: int({ isPointer: true, min: 0 }),
  start_period: duration({ isPointer: true }),
  start_interval: duration({ isPointer: true }),
  disable: bool(),
});

const network = object({
  aliases: namedStrings,
  driver_opts: options,
  gw_priority: int(),
  interface_name: text(),
  ipv4_address: text(),
  ipv6_address: text(),
  link_local_ips: namedStrings,
  mac_address: text(),
  priority: int(),
});

const port = object(
  {
    name: text(),
    mode: text(),
    host_ip: text(),
    target: int({ min: 0, max: 65535 }),
    published: numeric(),
    protocol: text(),
    app_protocol: text(),
  },
  {
    required: ["target"],
    prepare: (node) =>
      withDefaults(node, { mode: scalar("ingress", node.at), protocol: scalar("tcp", node.at) }),
    check(node) {
      const ip = textOf(child(node, "host_ip"));
      return ip !== undefined && isIP(ip) === 0
        ? { field: "host_ip", message: `invalid ip address: ${ip}` }
        : undefined;
    },
  },
);

const mount = object(
  {
    type: word("bind", "volume", "tmpfs", "cluster", "npipe", "image"),
    source: text(),
    target: text(),
    read_only: bool(),
    consistency: text(),
    bind: object(
      {
        selinux: word("z", "Z"),
        propagation: text(),
        create_host_path: bool({ isOptOut: true }),
        recursive: word("enabled", "disabled", "writable", "readonly"),
        // Not Compose's: how the owners of files are shown, as after `idmap=` of `-v`.
        "x-idmap": text(),
      },
      { prepare: (node) => withDefaults(node, { create_host_path: scalar(true, node.at) }) },
    ),
    volume: object({ labels, nocopy: bool(), subpath: text(), "x-idmap": text() }),
    tmpfs: object({ size: bytes(), mode: int() }),
    image: object({ subpath: text() }),
  },
  {
    short: volume,
    required: ["type"],
    finish(node, resolve) {
      const source = child(node, "source");
      const path = textOf(source);
      if (textOf(child(node, "type")) !== "bind" || path === undefined || source === undefined) return node;
      return withEntry(node, "source", scalar(resolve("host", path), source.at));
    },
    check(node) {
      if (textOf(child(node, "target")) === undefined)
        return { message: "service volume is missing a mount target" };
      return textOf(child(node, "type")) === "bind" && textOf(child(node, "source")) === undefined
        ? { message: 'invalid mount config for type "bind": field Source must not be empty' }
        : undefined;
    },
  },
);

const envFiles = list(
  object(
    { path: text({ path: "path" }), required: bool({ isOptOut: true }), format: text() },
    {
      short: envFile,
      required: ["path"],
      prepare: (node) => withDefaults(node, { required: scalar(true, node.at) }),
    },
  ),
  { acceptsSingle: true, keyOf: byPath },
);

const logging = object(
  { driver: text(), options: map(numeric(), { names: /^.+$/ }) },
  { mergesWhenSame: "driver" },
);

const pullPolicy = text({
  pattern: /^(?:always|never|build|if_not_present|missing|refresh|daily|weekly|every_(?:[0-9]+[wdhms])+)$/,
  wanted: "always, never, build, missing, if_not_present, refresh, daily, weekly or every_<duration>",
});

export const service = object({
  profiles: namedStrings,
  annotations: pairs(),
  attach: bool({ isPointer: true }),
  build,
  develop,
  blkio_config: blkio,
  cap_add: namedStrings,
  cap_drop: namedStrings,
  cgroup_parent: text(),
  cgroup: word("host", "private"),
  cpu_count: int({ min: 0 }),
  cpu_percent: float({ min: 0, max: 100 }),
  cpu_period: int(),
  cpu_quota: int(),
  cpu_rt_period: int(),
  cpu_rt_runtime: int(),
  cpus: float(),
  cpuset: text(),
  cpu_shares: int(),
  command: command({ isNullInJson: true }),
  configs: fileReferences(""),
  container_name: text({
    pattern: /[a-zA-Z0-9][a-zA-Z0-9_.-]+/,
    wanted: "two or more letters, digits, '_', '.' and '-', a letter or digit first",
  }),
  credential_spec: object({ config: text(), file: text(), registry: text() }),
  depends_on: map(dependency, { fromName: startedDependency }),
  deploy,
  device_cgroup_rules: list(text(), { isSet: true, keyOf: byText }),
  devices: list(
    object(
      { source: text(), target: text(), permissions: text() },
      { short: device, required: ["source", "target"] },
    ),
    {
      keyOf: byTarget,
    },
  ),
  dns: list(text(), { acceptsSingle: true, keyOf: byName }),
  dns_opt: namedStrings,
  dns_search: list(text(), { acceptsSingle: true, keyOf: byName }),
  domainname: text(),
  entrypoint: command({ isNullInJson: true }),
  provider: object(
    { type: text(), options: map(list(anyText(), { acceptsSingle: true }), { names: /^.+$/ }) },
    { required: ["type"] },
  ),
  environment: nullablePairs(),
  env_file: envFiles,
  expose: list(numeric(), { keyOf: byText }),
  extends: object(
    { file: text({ path: "context" }), service: text() },
    { short: named("service"), required: ["service"] },
  ),
  external_links: list(text(), { isSet: true, keyOf: byText }),
  extra_hosts: hosts(),
  group_add: list(numeric(), { isSet: true, keyOf: byText }),
  gpus: list(deviceRequest, { acceptsSingle: true, expand: allGpus }),
  hostname: text(),
  healthcheck,
  image: text(),
  init: bool({ isPointer: true }),
  ipc: text(),
  isolation: text(),
  labels,
  label_file: list(text({ path: "path" }), { acceptsSingle: true }),
  links: namedStrings,
  logging,
  mem_limit: bytes(),
  mem_reservation: bytes(),
  memswap_limit: bytes(),
  mem_swappiness: bytes(),
  mac_address: text(),
  models: map(object({ endpoint_var: text(), model_var: text() }), {
    isNullable: true,
    fromName: withoutOptions,
  }),
  network_mode: text(),
  networks: map(network, { isNullable: true, fromName: withoutOptions }),
  oom_kill_disable: bool(),
  oom_score_adj: int({ min: -1000, max: 1000 }),
  pid: text(),
  pids_limit: int(),
  platform: text(),
  ports: list(port, { keyOf: byPort, expand: ports }),
  privileged: bool(),
  pull_policy: pullPolicy,
  pull_refresh_after: duration({ isUnprinted: true }),
  read_only: bool(),
  restart: text(),
  runtime: text(),
  scale: int({ isPointer: true }),
  secrets: mountedSecrets,
  security_opt: list(text(), { isSet: true, keyOf: byText }),
  shm_size: bytes(),
  stdin_open: bool(),
  stop_grace_period: duration({ isPointer: true }),
  stop_signal: text(),
  storage_opt: map(numeric(), { names: /^.+$/ }),
  sysctls: pairs(),
  tmpfs: list(text(), { acceptsSingle: true, keyOf: byName }),
  tty: bool(),
  ulimits,
  use_api_socket: bool(),
  user: numeric(),
  userns_mode: text(),
  uts: text(),
  volumes: list(mount, { keyOf: byTarget }),
  volumes_from: list(text(), { isSet: true, keyOf: byText }),
  working_dir: text(),
  pre_start: list(object(hookFields)),
  post_start: list(hook),
  pre_stop: list(hook),
});

/** Returns the mapping with what it lacks. */
function withDefaults(node: MapNode, defaults: Readonly<Record<string, Node>>): MapNode {
  let result = node;
  for (const [name, value] of Object.entries(defaults)) {
    if (!result.entries.has(name)) result = withEntry(result, name, value);
  }
  return result;
}
