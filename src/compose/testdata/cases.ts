// Compose files for the conformance suite: each attribute, each rule of merging and of variables. What Docker Compose makes
// of them is in goldens.json, which `BERTH_RECORD_COMPOSE=/path/to/docker-compose` writes anew (see conformance.test.ts).

export interface Case {
  readonly name: string;
  /** The files given with -f; the first one by its name when there is only one. */
  readonly files: readonly string[];
  /** Files that lie beside them. */
  readonly beside?: Readonly<Record<string, string>>;
  readonly environment?: Readonly<Record<string, string>>;
  readonly profiles?: readonly string[];
  /** Variables are not put in. */
  readonly isRaw?: boolean;
}

const one = (name: string, text: string, more: Omit<Case, "name" | "files"> = {}): Case => ({
  name,
  files: [text],
  ...more,
});

/** A service with one attribute. */
const attribute = (name: string, text: string, more: Omit<Case, "name" | "files"> = {}): Case =>
  one(`attribute: ${name}`, `services:\n  app:\n    image: busybox\n${indent(text, 4)}\n`, more);

/** An attribute in a file and in another on top of it. */
const merge = (name: string, base: string, over: string, more: Omit<Case, "name" | "files"> = {}): Case => ({
  name: `merge: ${name}`,
  files: [
    `services:\n  app:\n    image: busybox\n${indent(base, 4)}\n`,
    `services:\n  app:\n${indent(over, 4)}\n`,
  ],
  ...more,
});

/** One value with variables. */
const variable = (name: string, value: string, environment: Readonly<Record<string, string>> = {}): Case => ({
  ...attribute(name, `environment:\n  VALUE: ${value}`, { environment }),
  name: `variable: ${name}`,
});

function indent(text: string, by: number): string {
  return text
    .split("\n")
    .map((line) => " ".repeat(by) + line)
    .join("\n");
}

export const cases: readonly Case[] = [
  // Attributes of services, in alphabetical order.
  attribute("annotations as mapping and list", "annotations:\n  a.b: c\n  n: 1"),
  attribute("annotations as list", "annotations: [a=b, c]"),
  attribute("attach", "attach: false"),
  attribute(
    "blkio_config",
    `blkio_config:
  weight: 300
  weight_device: [{path: /dev/sda, weight: 400}]
  device_read_bps: [{path: /dev/sdb, rate: 12mb}]
  device_read_iops: [{path: /dev/sdb, rate: 120}]
  device_write_bps: [{path: /dev/sdb, rate: 1024k}]
  device_write_iops: [{path: /dev/sdb, rate: 30}]`,
  ),
  attribute("build as a path", "build: ./dir"),
  attribute(
    "build in full",
    `build:
  context: .
  dockerfile: Other.dockerfile
  args: {A: 1, B: two, C: true}
  labels: [l=1]
  cache_from: [type=registry,ref=a/b]
  cache_to: [type=inline]
  no_cache: true
  pull: "true"
  additional_contexts: {res: ./res, img: docker-image://alpine, svc: "service:base"}
  extra_hosts: ["h:1.2.3.4"]
  network: host
  target: prod
  secrets: [s, {source: s, target: other, mode: 0400}]
  shm_size: 64m
  tags: [a/b:1, c]
  ulimits: {nofile: 100}
  platforms: [linux/amd64, linux/arm64]
  privileged: false
  isolation: default
  entitlements: [network.host]
  provenance: mode=max
  sbom: true`,
    {},
  ).files.map(
    (text): Case => ({
      name: "attribute: build in full",
      files: [`${text}  base:\n    build: .\nsecrets:\n  s:\n    file: ./secret.txt\n`],
    }),
  )[0] as Case,
  attribute("build with an inline Dockerfile", "build:\n  dockerfile_inline: |\n    FROM scratch\n    COPY a b"),
  attribute("build arguments of the environment", "build:\n  args: [SET, UNSET, GIVEN=x]", {
    environment: { SET: "value" },
  }),
  attribute("build from a URL", "build: https://github.com/a/b.git#main:sub"),
  attribute("cap_add and cap_drop", "cap_add: [ALL]\ncap_drop: [NET_ADMIN, SYS_ADMIN]"),
  attribute("cgroup and cgroup_parent", "cgroup: host\ncgroup_parent: m-executor-abcd"),
  attribute("command as text", "command: bundle exec thin -p 3000 'a b' \"c \\\"d\\\"\" e\\ f"),
  attribute("command as list", "command: [sh, -c, 'echo \"$$HOME\"']"),
  attribute("command of nothing", "command: []\nentrypoint: ''"),
  attribute("command as null", "command:\nentrypoint: null"),
  attribute("command with an operator of the shell", "command: echo a && echo b"),
  one(
    "attribute: configs",
    `services:
  app:
    image: busybox
    configs: [short, {source: long, target: /etc/long, uid: "103", gid: "104", mode: 0440}]
configs:
  short: {file: ./short.txt}
  long: {content: "a: \${B:-c}\\n"}
`,
  ),
  attribute("container_name", "container_name: my-app"),
  attribute(
    "cpu limits",
    "cpu_count: 2\ncpu_percent: 50\ncpu_shares: 73\ncpu_period: 50000\ncpu_quota: 25000\ncpu_rt_period: 100\ncpu_rt_runtime: 400\ncpus: 1.5\ncpuset: 0,1",
  ),
  attribute("cpus as text", 'cpus: "0.333333333"'),
  attribute("credential_spec", "credential_spec:\n  file: my.json"),
  one(
    "attribute: depends_on as list",
    "services:\n  app:\n    image: a\n    depends_on: [db, cache]\n  db: {image: b}\n  cache: {image: c}\n",
  ),
  one(
    "attribute: depends_on with conditions",
    `services:
  app:
    image: a
    depends_on:
      db: {condition: service_healthy, restart: true}
      job: {condition: service_completed_successfully}
      maybe: {condition: service_started, required: false}
  db: {image: b}
  job: {image: c}
  maybe: {image: d, profiles: [extra]}
`,
  ),
  attribute(
    "deploy",
    `deploy:
  mode: replicated
  replicas: 2
  endpoint_mode: vip
  labels: {a: b}
  resources:
    limits: {cpus: '0.50', memory: 50M, pids: 1}
    reservations:
      cpus: 0.25
      memory: 20M
      devices: [{capabilities: [gpu], driver: nvidia, count: 1, options: {a: b}}]
      generic_resources: [{discrete_resource_spec: {kind: SSD, value: 2}}]
  restart_policy: {condition: on-failure, delay: 5s, max_attempts: 3, window: 2m}
  update_config: {parallelism: 2, delay: 10s, order: start-first, failure_action: pause, monitor: 1m, max_failure_ratio: 0.3}
  rollback_config: {parallelism: 0}
  placement: {constraints: [a==b], preferences: [{spread: c}], max_replicas_per_node: 1}`,
  ),
  attribute("deploy of nothing", "deploy:"),
  attribute(
    "develop",
    `develop:
  watch:
    - {path: ./src, action: sync, target: /src, ignore: node_modules/, include: '*.ts'}
    - {path: package.json, action: rebuild}
    - {path: ./x, action: sync+exec, target: /x, exec: {command: touch y, user: root}, initial_sync: true}`,
  ),
  attribute("device_cgroup_rules", "device_cgroup_rules: ['c 1:3 mr', 'a 7:* rmw']"),
  attribute("devices", 'devices: ["/dev/a", "/dev/b:/dev/c", "/dev/d:/dev/e:r", {source: /dev/f}]'),
  attribute("dns", "dns: 8.8.8.8\ndns_opt: [use-vc, no-tld-query]\ndns_search: [dc1.example.com, dc2.example.com]"),
  attribute("domainname and hostname", "domainname: foo.com\nhostname: bar"),
  attribute("entrypoint", "entrypoint: php -d x.so 'a b'"),
  attribute("env_file", "env_file: ./a.env", { beside: { "a.env": "A=1\nB='two # no'\n# c\nC=\"x\\ny\" # d\nexport D=$A\n" } }),
  attribute("env_file as list", "env_file:\n  - a.env\n  - path: b.env\n    required: false\n  - {path: c.env, format: raw}", {
    beside: { "a.env": "A=1\nB=2", "c.env": "B='$A'\n" },
  }),
  attribute("environment over env_file", "env_file: a.env\nenvironment: {A: own, EMPTY: ''}", {
    beside: { "a.env": "A=file\nB=${A}-b\nM=${UNDEFINED:-d}\n" },
  }),
  attribute("environment as mapping", "environment:\n  A: 1\n  B: true\n  C: text\n  D:\n  E: 1.50\n  F: 0644\n  G: 1e3\n  H: ''\n  I: 0x1F"),
  attribute("environment as list", "environment:\n  - A=1\n  - B\n  - C=\n  - D=a=b", { environment: { B: "from outside" } }),
  attribute("expose", 'expose: ["3000", 8000, 8080-8085/tcp]'),
  attribute("external_links", "external_links: [redis, 'database:mysql']"),
  attribute("extra_hosts as list", 'extra_hosts: ["some=162.242.195.82", "other:50.31.209.229", "v6=::1", "v6b=[::1]"]'),
  attribute("extra_hosts as mapping", "extra_hosts:\n  a: 1.2.3.4\n  b: [1.1.1.1, 2.2.2.2]"),
  attribute("gpus", "gpus: all"),
  attribute("gpus as list", "gpus:\n  - driver: 3d\n  - {count: 2, capabilities: [x]}"),
  attribute("group_add", "group_add: [mail, 1000]"),
  attribute("healthcheck as text", "healthcheck:\n  test: curl -f http://localhost || exit 1\n  interval: 1m30s\n  timeout: 10s\n  retries: 3\n  start_period: 40s\n  start_interval: 5s"),
  attribute("healthcheck as list", 'healthcheck:\n  test: ["CMD", "curl", "-f"]\n  retries: "0"'),
  attribute("healthcheck disabled", "healthcheck:\n  disable: true"),
  attribute("init", "init: false"),
  attribute("ipc, pid, uts, userns_mode", "ipc: host\npid: host\nuts: host\nuserns_mode: host"),
  attribute("isolation", "isolation: default"),
  attribute("labels as mapping", 'labels:\n  com.example.a: "A"\n  com.example.b: 1\n  com.example.c:\n  com.example.d: true'),
  attribute("labels as list", 'labels: ["a=b", c, "d=e=f"]'),
  attribute("label_file", "label_file: [l.labels]\nlabels: {b: own}", { beside: { "l.labels": "a=1\nb=2\n" } }),
  one(
    "attribute: links",
    "services:\n  app:\n    image: a\n    links: [db, 'cache:redis']\n  db: {image: b}\n  cache: {image: c}\n",
  ),
  attribute("logging", 'logging:\n  driver: syslog\n  options:\n    syslog-address: "tcp://192.168.0.42:123"\n    max-file: 3'),
  attribute("mac_address", "mac_address: 02:42:ac:11:65:43"),
  attribute("memory limits", "mem_limit: 1g\nmem_reservation: 512m\nmem_swappiness: 60\nmemswap_limit: -1\noom_kill_disable: true\noom_score_adj: -500"),
  attribute("network_mode", "network_mode: host"),
  one(
    "attribute: network_mode of a service",
    "services:\n  app:\n    image: a\n    network_mode: service:db\n    ipc: service:db\n  db: {image: b}\n",
  ),
  one(
    "attribute: networks",
    `services:
  app:
    image: a
    networks:
      front:
        aliases: [web, www]
        ipv4_address: 172.16.238.10
        ipv6_address: 2001:3984:3989::10
        link_local_ips: [57.123.22.11]
        mac_address: 02:42:ac:11:65:43
        priority: 1000
        gw_priority: 1
        interface_name: eth7
        driver_opts: {a: b}
      back:
  b:
    image: b
    networks: [back]
networks:
  front:
    ipam: {driver: default, config: [{subnet: 172.16.238.0/24, gateway: 172.16.238.1, ip_range: 172.16.238.0/25, aux_addresses: {h: 172.16.238.5}}], options: {a: b}}
  back: {}
`,
  ),
  attribute("pids_limit", "pids_limit: 10"),
  attribute("platform", "platform: linux/arm64/v8"),
  attribute("ports short", 'ports: ["3000", 3001-3003, "8000:8000", "9090-9091:8080-8081", "49100:22", "127.0.0.1:8001:8001", "127.0.0.1:5000-5002:5000-5002", "127.0.0.1::5000", "6060:6060/udp", "[::1]:80:80", 8005-8010:81]'),
  attribute("ports long", "ports:\n  - {target: 80, host_ip: 127.0.0.1, published: 8080, protocol: tcp, app_protocol: http, mode: host, name: web}\n  - target: 81\n    published: 8083-9000\n  - target: 82"),
  attribute("post_start and pre_stop", "post_start:\n  - {command: ./do.sh a, user: root, privileged: true, working_dir: /w, environment: [A=b]}\npre_stop:\n  - command: [a, b]"),
  attribute("privileged, read_only, stdin_open, tty", 'privileged: true\nread_only: "true"\nstdin_open: true\ntty: true'),
  attribute("pull_policy", "pull_policy: if_not_present"),
  attribute("restart", "restart: on-failure:3"),
  attribute("restart no", 'restart: "no"'),
  attribute("runtime", "runtime: runc"),
  attribute("scale", "scale: 0"),
  one(
    "attribute: secrets",
    `services:
  app:
    image: a
    secrets: [short, {source: long, target: other, uid: "1", gid: "2", mode: "0400"}]
secrets:
  short: {file: ./s.txt}
  long: {environment: SECRET}
`,
    { environment: { SECRET: "hush" } },
  ),
  attribute("security_opt", 'security_opt: ["label=user:USER", "no-new-privileges:true"]'),
  attribute("shm_size", "shm_size: 10000000"),
  attribute("stop_grace_period and stop_signal", "stop_grace_period: 1m30s\nstop_signal: SIGUSR1"),
  attribute("storage_opt", "storage_opt:\n  size: 1G"),
  attribute("sysctls as mapping", "sysctls:\n  net.core.somaxconn: 1024\n  net.ipv4.tcp_syncookies: 0"),
  attribute("sysctls as list", "sysctls: [net.core.somaxconn=1024]"),
  attribute("tmpfs", "tmpfs: /run"),
  attribute("tmpfs as list", "tmpfs: ['/run:mode=755,uid=1', /tmp]"),
  attribute("ulimits", "ulimits:\n  nproc: 65535\n  nofile: {soft: 20000, hard: 40000}"),
  attribute("user and working_dir", 'user: "1000:1000"\nworking_dir: /code'),
  one(
    "attribute: volumes short",
    `services:
  app:
    image: a
    volumes:
      - /var/lib/mysql
      - /opt/data:/var/lib/data
      - ./cache:/tmp/cache
      - ~/configs:/etc/configs/:ro
      - data:/data:rw,nocopy
      - ./z:/z:z,ro
      - ./p:/p:rslave
volumes:
  data:
`,
    { environment: { HOME: "/home/somebody" } },
  ),
  one(
    "attribute: volumes long",
    `services:
  app:
    image: a
    volumes:
      - {type: volume, source: data, target: /data, read_only: true, volume: {nocopy: true, subpath: sub, labels: {a: b}}}
      - {type: bind, source: ./src, target: /src/, bind: {propagation: rshared, create_host_path: false, selinux: z, recursive: disabled}}
      - {type: bind, source: /x, target: /y, bind: {}}
      - {type: tmpfs, target: /t, tmpfs: {size: 1g, mode: 0755}}
      - {type: image, source: alpine, target: /i, image: {subpath: etc}}
      - {type: volume, target: /anonymous, consistency: cached}
volumes:
  data: {}
`,
  ),
  one(
    "attribute: volumes_from",
    "services:\n  app:\n    image: a\n    volumes_from: ['db:ro', 'container:other']\n  db: {image: b}\n",
  ),

  // The top level.
  one("top level: version is accepted", "version: '3.8'\nservices:\n  a: {image: b}\n"),
  one("top level: name", "name: my-project\nservices:\n  a: {image: b}\n"),
  one("top level: name with variables", "name: ${N:-Some_Thing}!\nservices:\n  a: {image: 'b-${COMPOSE_PROJECT_NAME}'}\n"),
  one(
    "top level: networks",
    `services:
  a: {image: b, networks: [x, y, z, w, default]}
networks:
  x: {driver: overlay, driver_opts: {a: 1}, attachable: true, internal: true, labels: [a=b], enable_ipv6: true, enable_ipv4: "false", name: own}
  y: {external: true}
  z: {external: true, name: other}
  w: {external: {name: old}}
  default: {driver: bridge}
`,
  ),
  one(
    "top level: volumes",
    `services:
  a: {image: b, volumes: ['x:/x', 'y:/y', 'z:/z']}
volumes:
  x: {driver: local, driver_opts: {type: none, o: bind, device: ./data}, labels: {a: b}, name: own}
  y: {external: true}
  z: {external: true, name: "v-\${Z:-z}"}
`,
  ),
  one(
    "top level: extensions",
    "x-top: {a: [1, two, {b: c}], d: 1.5}\nservices:\n  a: {image: b, x-own: {y: [z]}}\nx-other: text\n",
  ),
  one(
    "top level: what nobody uses is left out",
    "services:\n  a: {image: b}\nvolumes: {v: {}}\nnetworks: {n: {}}\nsecrets: {s: {file: x}}\nconfigs: {c: {file: x}}\n",
  ),
  one("profiles: without", "services:\n  a: {image: b}\n  t: {image: c, profiles: [test]}\n"),
  one("profiles: one", "services:\n  a: {image: b}\n  t: {image: c, profiles: [test]}\n  d: {image: d, profiles: [dev]}\n", { profiles: ["test"] }),
  one("profiles: of the environment", "services:\n  a: {image: b}\n  t: {image: c, profiles: [test, dev]}\n", {
    environment: { COMPOSE_PROFILES: "x, dev" },
  }),

  // YAML.
  one(
    "yaml: anchors and merge keys",
    `x-base: &base
  image: a
  environment: &env {A: 1, B: 2}
x-more: &more {hostname: h, image: other}
services:
  one: {<<: *base, command: x}
  two:
    <<: [*base, *more]
    environment: {<<: *env, B: own}
`,
  ),
  one("yaml: several documents", "services:\n  a: {image: b}\n---\nservices:\n  a: {hostname: h}\n  c: {image: d}\n"),
  one("yaml: texts of many forms", "services:\n  a:\n    image: b\n    command:\n      - |\n        a\n        b\n      - >-\n        c\n        d\n      - 'it''s'\n      - \"\\u00e9\\t\"\n"),
  one("yaml: on and yes are texts", "services:\n  a:\n    image: b\n    environment: {A: on, B: yes, C: 22:22, D: ~, E: 2001-01-01x}\n"),

  // Variables.
  variable("plain", '"$NAME-${NAME}"', { NAME: "value" }),
  variable("not set", '"[$NAME][${NAME}]"'),
  variable("escaped", '"$$NAME $${NAME}"', { NAME: "value" }),
  variable("default when empty or unset", '"${A:-x}-${B:-y}-${C:-z}"', { A: "a", B: "" }),
  variable("default when unset", '"${A-x}-${B-y}-${C-z}"', { A: "a", B: "" }),
  variable("alternative when set and not empty", '"${A:+x}-${B:+y}-${C:+z}"', { A: "a", B: "" }),
  variable("alternative when set", '"${A+x}-${B+y}-${C+z}"', { A: "a", B: "" }),
  variable("required", '"${A:?is wanted}-${A?is wanted}"', { A: "a" }),
  variable("nested", '"${A:-${B:-c}}-${D:+${E:-f}}-${G:-$H}"', { D: "d", H: "h" }),
  variable("default with colons and dashes", '"${A:-http://x:80/-?+}"'),
  variable("default that is empty", '"[${A:-}][${B-}]"'),
  one(
    "variable: numbers and booleans",
    "services:\n  a:\n    image: b\n    privileged: ${T}\n    scale: ${N}\n    cpus: ${C}\n    mem_limit: ${M}\n    init: '${F}'\n    ports: ['${P}:80']\n    stop_grace_period: ${S}\n",
    { environment: { T: "true", N: "3", C: "1.5", M: "1g", F: "false", P: "8080", S: "10s" } },
  ),
  one("variable: from .env", "services:\n  a: {image: 'b:$TAG', hostname: $BOTH}\n", {
    beside: { ".env": "TAG=1.2\nBOTH=file\n" },
    environment: { BOTH: "process" },
  }),
  one("variable: everywhere", "services:\n  a:\n    image: b\n    labels: ['$K=$V']\n    command: [$V]\n    networks: [default]\nnetworks:\n  default: {name: '${V}-net'}\nx-e: $V\n", {
    environment: { K: "k", V: "v" },
  }),
  { ...one("variable: not put in", "services:\n  a:\n    image: 'b:${TAG:-x}'\n    command: echo $V\n    environment: {A: $$B}\n"), isRaw: true },

  // Merging.
  merge("scalars are replaced", "hostname: a\nuser: x", "hostname: b\nimage: other"),
  merge("command and entrypoint are replaced", "command: a b\nentrypoint: [c]", "command: [d]\nentrypoint: e f"),
  merge("environment by name, list and mapping", "environment: [A=1, B=2]", "environment: {B: 3, C: 4}"),
  merge("environment without a value", "environment: {A: 1}", "environment: [A]"),
  merge("labels by name", "labels: {a: 1, b: 2}", "labels: [b=3]"),
  merge("ports are added, the same one once", "ports: ['80:80', '81:81']", "ports: ['80:80', '82:82', {target: 81, published: '81'}]"),
  merge("volumes by target", "volumes: ['./a:/x', './b:/y']", "volumes: ['./c:/x', './d:/z:ro']"),
  merge("lists are added", "dns: 1.1.1.1\ncap_add: [A]\nsecurity_opt: [a]\nexpose: ['1']", "dns: [2.2.2.2, 1.1.1.1]\ncap_add: [B, A]\nsecurity_opt: [b]\nexpose: [1, 2]"),
  merge("tmpfs and sysctls", "tmpfs: /a\nsysctls: [x=1]", "tmpfs: [/b, /a]\nsysctls: {x: 2, y: 3}"),
  merge("healthcheck by field, test replaced", "healthcheck: {test: [CMD, a, b], interval: 1s}", "healthcheck: {test: c, retries: 2}"),
  merge("logging with the same driver", "logging: {driver: json-file, options: {a: 1, b: 2}}", "logging: {options: {b: 3}}"),
  merge("logging with another driver", "logging: {driver: json-file, options: {a: 1}}", "logging: {driver: syslog, options: {c: 1}}"),
  merge("ulimits are replaced", "ulimits: {a: 1, b: {soft: 1, hard: 2}}", "ulimits: {a: {soft: 3, hard: 4}, b: 5}"),
  merge("build short and long", "build: ./a", "build: {dockerfile: D, args: [A=1]}"),
  merge("build arguments by name", "build: {context: ., args: {A: 1, B: 2}}", "build: {args: [B=3]}"),
  merge("deploy by field", "deploy: {replicas: 1, resources: {limits: {cpus: '1', memory: 1g}}}", "deploy: {replicas: 2, resources: {limits: {memory: 2g}}}"),
  merge("devices by target", "devices: ['/dev/a:/dev/x']", "devices: ['/dev/b:/dev/x', /dev/c]"),
  merge("extra_hosts are added", "extra_hosts: ['a=1.1.1.1']", "extra_hosts: ['a=1.1.1.1', 'a=2.2.2.2', 'b=3.3.3.3']"),
  merge("env_file is added", "env_file: a.env", "env_file: [b.env, a.env]", { beside: { "a.env": "A=1\nB=1", "b.env": "B=2" } }),
  merge("networks by name", "networks: [default]", "networks: {default: {aliases: [x]}}"),
  merge("profiles are added", "profiles: [a]", "profiles: [b, a]", { profiles: ["b"] }),
  merge("reset of a list", "ports: ['80:80']\nuser: a", "ports: !reset []\nuser: !reset null"),
  merge("reset of a variable", "environment: {A: 1, B: 2}", "environment: {A: !reset null}"),
  merge("override", "ports: ['80:80']\nenvironment: {A: 1}", "ports: !override ['443:443']\nenvironment: !override {B: 2}"),
  merge("extensions", "x-a: {b: 1, c: [1]}", "x-a: {d: 2, c: [2]}"),
  {
    name: "merge: depends_on, list and mapping",
    files: [
      "services:\n  a: {image: x, depends_on: [b]}\n  b: {image: x}\n  c: {image: x}\n",
      "services:\n  a: {depends_on: {b: {condition: service_healthy}, c: {condition: service_started}}}\n",
    ],
  },
  {
    name: "merge: an override that says less of a dependency",
    files: [
      "services:\n  a: {image: x, depends_on: {b: {condition: service_healthy}}}\n  b: {image: x}\n",
      "services:\n  a: {depends_on: {b: {restart: true}}}\n",
    ],
  },
  {
    name: "merge: networks and volumes of the top level",
    files: [
      "services:\n  a: {image: x, networks: [n], volumes: ['v:/v']}\nnetworks:\n  n: {driver: bridge, labels: [a=1], ipam: {config: [{subnet: 10.0.0.0/24}]}}\nvolumes:\n  v: {labels: {a: 1}}\n",
      "networks:\n  n: {labels: {b: 2}, ipam: {config: [{subnet: 10.1.0.0/24}]}}\nvolumes:\n  v: {driver_opts: {x: y}, labels: [a=2]}\n",
    ],
  },
  {
    name: "merge: secrets and configs by file",
    files: [
      "services:\n  a: {image: x, secrets: [s], configs: [c]}\nsecrets: {s: {file: a}}\nconfigs: {c: {file: b}}\n",
      "services:\n  a: {secrets: [{source: s, target: /run/secrets/s, mode: 0400}], configs: [{source: c, target: /c}]}\n",
    ],
  },
  { name: "merge: a service of the second file", files: ["services:\n  a: {image: x}\n", "services:\n  b: {image: y}\n"] },
  { name: "merge: three files", files: ["services:\n  a: {image: x, environment: [A=1]}\n", "services:\n  a: {environment: [A=2, B=2]}\n", "services:\n  a: {environment: [B=3]}\n"] },

  // extends and include.
  one(
    "extends: in the same file",
    "services:\n  base: {image: x, environment: {A: 1, B: 2}, ports: ['80:80'], command: a}\n  web: {extends: base, environment: {B: 3}, ports: ['81:81'], command: b}\n  deep: {extends: {service: web}, hostname: h}\n",
  ),
  one("extends: from another file", "services:\n  web:\n    extends: {file: ./dir/common.yaml, service: base}\n    environment: {B: 3}\n", {
    beside: {
      "dir/common.yaml": "services:\n  base:\n    build: ./sub\n    env_file: e.env\n    volumes: ['./data:/data']\n    extends: root\n  root: {environment: {A: 1, B: 2}, hostname: h}\n",
      "dir/e.env": "E=1\n",
    },
  }),
  one("extends: dependencies and networks come along", "services:\n  db: {image: y}\n  base: {image: x, depends_on: [db], networks: [n]}\n  web: {extends: {service: base}}\nnetworks: {n: {}}\n"),
  one("include: short", "include: [./sub/compose.yaml]\nservices:\n  web: {image: x, depends_on: [db]}\n", {
    beside: {
      "sub/compose.yaml": "services:\n  db: {image: 'db:${TAG}', volumes: ['./data:/d', 'v:/v']}\nvolumes: {v: {}}\n",
      "sub/.env": "TAG=sub\n",
    },
  }),
  one(
    "include: long",
    "include:\n  - path: [sub/a.yaml, sub/b.yaml]\n    project_directory: ./other\n    env_file: [sub/x.env]\nservices:\n  web: {image: x}\n",
    {
      beside: {
        "sub/a.yaml": "services:\n  db: {image: 'db:${TAG}', build: .}\n",
        "sub/b.yaml": "services:\n  db: {hostname: h}\n",
        "sub/x.env": "TAG=x\n",
        "other/file": "",
      },
    },
  ),
  one("include: what the including file says goes on top", "include: [sub.yaml]\nservices:\n  db: {environment: {A: 2}}\n", {
    beside: { "sub.yaml": "services:\n  db: {image: x, environment: {A: 1, B: 1}}\n" },
  }),
  one("include: within an included file", "include: [a/a.yaml]\nservices:\n  top: {image: x}\n", {
    beside: {
      "a/a.yaml": "include: [b/b.yaml]\nservices:\n  a: {image: x}\n",
      "a/b/b.yaml": "services:\n  b: {build: ./ctx}\n",
    },
  }),

  // What must be refused.
  one("refused: unknown attribute", "services:\n  a: {image: x, prots: ['80:80']}\n"),
  one("refused: unknown attribute of the top level", "servces:\n  a: {image: x}\n"),
  one("refused: wrong type", "services:\n  a: {image: [x]}\n"),
  one("refused: number for a text", "services:\n  a: {image: x, hostname: 1}\n"),
  one("refused: no image", "services:\n  a: {hostname: x}\n"),
  one("refused: undefined network", "services:\n  a: {image: x, networks: [n]}\n"),
  one("refused: undefined volume", "services:\n  a: {image: x, volumes: ['v:/v']}\n"),
  one("refused: undefined secret", "services:\n  a: {image: x, secrets: [s]}\n"),
  one("refused: undefined config", "services:\n  a: {image: x, configs: [s]}\n"),
  one("refused: undefined dependency", "services:\n  a: {image: x, depends_on: [b]}\n"),
  one("refused: cycle", "services:\n  a: {image: x, depends_on: [b]}\n  b: {image: x, depends_on: [a]}\n"),
  one("refused: required variable", "services:\n  a: {image: '${X:?must be given}'}\n"),
  one("refused: malformed variable", "services:\n  a: {image: '${X'}\n"),
  one("refused: network_mode with networks", "services:\n  a: {image: x, network_mode: host, networks: [default]}\n"),
  one("refused: container_name with scale", "services:\n  a: {image: x, container_name: c, scale: 2}\n"),
  one("refused: the same container name twice", "services:\n  a: {image: x, container_name: c}\n  b: {image: x, container_name: c}\n"),
  one("refused: two volumes at one place", "services:\n  a: {image: x, tmpfs: [/x], volumes: ['/y:/x']}\n"),
  one("refused: malformed port", "services:\n  a: {image: x, ports: ['80:http']}\n"),
  one("refused: ports of different number", "services:\n  a: {image: x, ports: ['80-82:80-81']}\n"),
  one("refused: extends an unknown service", "services:\n  a: {extends: b}\n"),
  one("refused: extends itself", "services:\n  a: {extends: b}\n  b: {extends: a}\n"),
  one("refused: includes itself", "include: [compose.yaml]\nservices:\n  a: {image: x}\n"),
  one("refused: env_file that is not there", "services:\n  a: {image: x, env_file: nope.env}\n"),
  one("refused: secret without a source", "services:\n  a: {image: x, secrets: [s]}\nsecrets: {s: {}}\n"),
  one("refused: duplicate key", "services:\n  a: {image: x}\n  a: {image: y}\n"),
  one("refused: YAML syntax", "services:\n  a: {image: x\n"),
  one("refused: empty file", ""),
  one("refused: list for a mapping", "services: [a]\n"),
  one("refused: external volume with a driver", "services:\n  a: {image: x, volumes: ['v:/v']}\nvolumes: {v: {external: true, driver: local}}\n"),
  one("refused: distinct replicas", "services:\n  a: {image: x, scale: 2, deploy: {replicas: 3}}\n"),
  one("refused: a dependency without a condition", "services:\n  a: {image: x, depends_on: {b: {restart: true}}}\n  b: {image: x}\n"),
  // What the specification has added, and what Berth refuses to run but shows.
  attribute("build with ssh and filters", "build: {context: ., ssh: [default], no_cache_filter: [a, b]}"),
  attribute("dns with options", "dns: 1.1.1.1\ndns_opt: [use-vc, no-tld-query]\ndns_search: example.com"),
  attribute("dns_search as list", "dns_search: [a.example, b.example]\ndns: [8.8.8.8, 9.9.9.9]"),
  attribute("devices with permissions", "devices: [{source: /dev/a, target: /dev/b, permissions: rw}, /dev/c, '/dev/d:/dev/e:r']"),
  attribute("devices of CDI", "devices: ['vendor.com/class=name']"),
  attribute("gpus with ids", "gpus: [{driver: nvidia, device_ids: ['0', '3'], capabilities: [gpu, utility], options: {a: b}}]"),
  attribute("devices of a deployment", "deploy: {resources: {reservations: {devices: [{capabilities: [gpu], driver: d, device_ids: ['1'], options: {k: v}}]}}}"),
  attribute("generic resources", "deploy: {resources: {reservations: {generic_resources: [{discrete_resource_spec: {kind: gpu, value: 2}}]}}}"),
  attribute("pull_policy every day", "pull_policy: every_12h"),
  attribute("pull_policy daily", "pull_policy: daily"),
  attribute("pull_refresh_after", "pull_policy: refresh\npull_refresh_after: 24h"),
  attribute("use_api_socket", "use_api_socket: true"),
  attribute("provider", "provider: {type: awesomecloud, options: {type: mysql, size: 256, names: [a, b]}}"),
  attribute("pre_start of a service", "pre_start: [{image: busybox, command: ['true'], user: root, per_replica: true}]"),
  attribute("hooks in full", "post_start: [{command: [a, b], user: root, privileged: true, working_dir: /x, environment: [A=b]}]\npre_stop: [{command: ./x y}]"),
  one("attribute: models as list", "services:\n  a: {image: b, models: [llm]}\nmodels:\n  llm: {model: ai/smollm2, context_size: 1024, runtime_flags: ['--a', '--b']}\n"),
  one("attribute: models with variables", "services:\n  a: {image: b, models: {llm: {endpoint_var: URL, model_var: NAME}}}\nmodels:\n  llm: {model: ai/smollm2}\n"),
  one("attribute: secrets with drivers", "services:\n  a: {image: b, secrets: [s, e], configs: [c]}\nsecrets:\n  s: {file: ./s, driver: d, driver_opts: {k: v}, template_driver: golang, labels: [a=b]}\n  e: {external: true, name: other}\nconfigs:\n  c: {file: ./c, template_driver: golang, labels: {k: v}}\n"),
  one("attribute: secret of the environment", "services:\n  a: {image: b, secrets: [{source: s, target: /run/x, uid: '1', gid: '2', mode: 256}]}\nsecrets: {s: {environment: TOKEN}}\n", { environment: { TOKEN: "hidden" } }),
  one("attribute: config of the environment", "services:\n  a: {image: b, configs: [c]}\nconfigs: {c: {environment: TOKEN}}\n", { environment: { TOKEN: "shown" } }),
  attribute("ports with names, modes and protocols", "ports: [{name: web, target: 80, host_ip: 127.0.0.1, published: '8080-8090', protocol: tcp, app_protocol: http, mode: host}, '[::1]:53:53/udp', '9000-9002:9000-9002', 3000]"),
  attribute("expose with ranges", "expose: [80, '90-92', '53/udp']"),
  attribute("volumes in every long form", "volumes: [{type: bind, source: ./a, target: /a, read_only: true, bind: {propagation: rshared, create_host_path: false, selinux: z, recursive: disabled}}, {type: tmpfs, target: /t, tmpfs: {size: 10m, mode: 0o1777}}, {type: image, source: busybox, target: /i, image: {subpath: bin}}, {type: volume, target: /v, volume: {nocopy: true, subpath: s, labels: {a: b}}}, {type: npipe, source: a, target: b}, {type: cluster, source: c, target: /c}]"),
  attribute("volumes with options", "volumes: ['./a:/a:ro,z', '~/b:/b', '/c', '/d:/e:rslave', './f:/f:nocopy']"),
  attribute("memory in every unit", "mem_limit: 1gb\nmem_reservation: '512'\nshm_size: 2kb\nmemswap_limit: 1048576"),
  attribute("durations in every unit", "stop_grace_period: 1m30s\nhealthcheck: {test: [NONE], interval: 1h5m, timeout: 500ms, start_period: 10us, start_interval: 2s, retries: 3}"),
  attribute("logging with numbers", "logging: {driver: json-file, options: {max-size: 10m, max-file: 3, rate: 1.5}}"),
  attribute("labels with dollars and numbers", "labels: {a: $$HOME, b: 1.50, c: true, d: null, e: 0x10, f: 1_000}"),
  attribute("environment of every scalar", "environment: {A: null, B: true, C: 1.0, D: 1e3, E: '', F: 0o17, H: .5, I: -0}"),
  attribute("networks in full", "networks: {default: {aliases: [x], ipv4_address: 172.16.0.9, ipv6_address: '2001:db8::9', link_local_ips: [169.254.1.1], mac_address: 02:00:00:00:00:01, priority: 10, gw_priority: 5, interface_name: eth9, driver_opts: {a: 1}}}"),
  one("top level: networks in full", "services:\n  a: {image: b, networks: [n]}\nnetworks:\n  n: {driver: bridge, driver_opts: {a: 1}, attachable: true, enable_ipv4: false, enable_ipv6: true, internal: true, labels: [a=b], name: other, ipam: {driver: default, config: [{subnet: 10.1.0.0/16, ip_range: 10.1.2.0/24, gateway: 10.1.0.1, aux_addresses: {h: 10.1.0.5}}], options: {o: \"1\"}}}\n"),
  one("top level: external network by its own name", "services:\n  a: {image: b, networks: [n]}\nnetworks: {n: {external: true, name: net-$$x}}\n"),
  one("top level: volumes in full", "services:\n  a: {image: b, volumes: ['v:/v', 'w:/w']}\nvolumes:\n  v: {driver: local, driver_opts: {type: none, o: bind, device: ./here}, labels: {a: b}, name: other}\n  w:\n"),
  one("top level: name from a variable of .env", "name: ${NAME}-x\nservices: {a: {image: b}}\n", { beside: { ".env": "NAME=given\n" } }),
  variable("in a default that has a default", "${A:-${B:-${C-c}}}", { B: "" }),
  variable("alternative of an empty variable", "${A:+x}${A+y}", { A: "" }),
  variable("braces within", '"${A:-{\\"k\\": \\"v\\"}}"'),
  variable("two in one value", "${A}-$B.${C:-d}", { A: "1", B: "2" }),
  variable("with underscores and digits", "$_A1-${A_2}", { _A1: "x", A_2: "y" }),
  variable("dollar at the end", "'a$$'"),
  variable("dollar before a digit", "'$$1 ${A}'", { A: "v" }),
  variable("not an error where an alternative is", "${A:+${B:?never}}"),
  one("variable: required and empty", "services: {a: {image: '${X:?must not be empty}'}}\n", { environment: { X: "" } }),
  one("variable: required and only unset", "services: {a: {image: 'b${X?must be set}'}}\n", { environment: { X: "" } }),
  one("variable: a key is no place for it", "services:\n  ${X}: {image: b}\n", { environment: { X: "v" } }),
  one("variable: .env with quotes, comments, exports", "services: {a: {image: b, environment: ['A=$A', 'B=$B', 'C=$C', 'D=$D', 'E=$E', 'F=$F']}}\n", { beside: { ".env": "export A=one # comment\nB=\"two # not\\n\"\nC='$three'\nD=${A}-four\nE=\nF = spaced \n# G=no\n" } }),
  one("attribute: env_file raw and optional", "services: {a: {image: b, env_file: [{path: raw.env, format: raw}, {path: none.env, required: false}, p.env]}}\n", { beside: { "raw.env": "A='kept'\nB=$X\n", "p.env": "C=${X}\nD='$X'\n" }, environment: { X: "v" } }),
  merge("ports of another host address are another", "ports: ['8080:80', '127.0.0.1:81:81']", "ports: ['8081:80', '81:81']"),
  merge("annotations, build labels and tags", "annotations: {a: 1}\nbuild: {context: ., labels: {a: 1}, tags: [x]}", "annotations: [b=2, a=3]\nbuild: {labels: [b=2], tags: [y, x]}"),
  merge("cap_add, security_opt and group_add", "cap_add: [A]\nsecurity_opt: [a]\ngroup_add: [x]", "cap_add: [A, B]\nsecurity_opt: [b]\ngroup_add: [1]"),
  merge("dns, dns_search and expose", "dns: 1.1.1.1\ndns_search: a\nexpose: [80]", "dns: [2.2.2.2, 1.1.1.1]\ndns_search: [b]\nexpose: ['80', 81]"),
  merge("develop", "develop: {watch: [{path: a, action: sync, target: /a}]}", "develop: {watch: [{path: b, action: rebuild}]}"),
  merge("post_start and pre_stop", "post_start: [{command: a}]\npre_stop: [{command: a}]", "post_start: [{command: b}]"),
  {
    name: "merge: secrets and configs of a service",
    files: [
      "services: {a: {image: b, secrets: [s], configs: [{source: c, target: /a}]}}\nsecrets: {s: {file: ./s}}\nconfigs: {c: {file: ./c}}\n",
      "services: {a: {secrets: [{source: s, target: x}], configs: [{source: c, target: /b}]}}\n",
    ],
  },
  merge("credential_spec and storage_opt", "storage_opt: {size: 1g}\ncpus: 1", "storage_opt: {size: 2g}\ncpus: 2"),
  merge("blkio_config", "blkio_config: {weight: 1, weight_device: [{path: /a, weight: 1}]}", "blkio_config: {weight: 2, weight_device: [{path: /b, weight: 2}]}"),
  merge("reset of a mapping's member", "environment: {A: 1, B: 2}\nlabels: {x: y}", "environment: {A: !reset null}\nlabels: !reset {}"),
  merge("override of ports and volumes", "ports: ['80:80']\nvolumes: ['/a:/a']", "ports: !override ['81:81']\nvolumes: !override []"),
  merge("override of a mapping", "environment: {A: 1, B: 2}", "environment: !override {C: 3}"),
  one("extends: resets what the base has", "services:\n  base: {image: b, ports: ['80:80'], environment: {A: 1}}\n  a: {extends: base, ports: !reset [], environment: {B: 2}}\n"),
  one("extends: in a chain over files", "services:\n  a: {extends: {file: sub/one.yaml, service: mid}, command: c}\n", { beside: { "sub/one.yaml": "services:\n  mid: {extends: {file: deep/two.yaml, service: low}, volumes: ['./m:/m']}\n", "sub/deep/two.yaml": "services:\n  low: {image: b, build: ., volumes: ['./l:/l'], env_file: e.env}\n", "sub/deep/e.env": "E=1\n" } }),
  one("include: with its own .env and project directory", "include:\n  - {path: [sub/a.yaml, sub/b.yaml], project_directory: other, env_file: [x.env]}\nservices: {main: {image: 'm${V}', depends_on: [one]}}\n", { beside: { "sub/a.yaml": "services: {one: {image: 'i${V}', volumes: ['./d:/d']}}\n", "sub/b.yaml": "services: {one: {command: c}}\n", "x.env": "V=7\n", "other/there": "" } }),
  one("profiles: a dependency of a profile", "services:\n  a: {image: b, depends_on: [c]}\n  c: {image: d, profiles: [p]}\n"),
  one("profiles: a dependency that is not required", "services:\n  a: {image: b, depends_on: {c: {condition: service_started, required: false}}}\n  c: {image: d, profiles: [p]}\n"),
  one("profiles: all", "services:\n  a: {image: b, profiles: [x]}\n  c: {image: d, profiles: [p]}\n", { profiles: ["*"] }),
  one("yaml: merge keys of several", "x-a: &a {image: i, user: u}\nx-b: &b {user: w, init: true}\nservices:\n  s:\n    <<: [*a, *b]\n    tty: true\n"),
  one("yaml: block texts", "services:\n  s:\n    image: i\n    command: >-\n      a\n      b\n    environment:\n      L: |\n        one\n        two\n      K: |+\n        kept\n\n"),
  one("refused: a port beyond the last", "services: {a: {image: x, ports: ['80:70000']}}\n"),
  one("refused: a service's name", "services: {'a b': {image: x}}\n"),
  one("refused: a project's name", "name: Upper\nservices: {a: {image: x}}\n"),
  one("refused: undefined model", "services: {a: {image: x, models: [m]}}\n"),
  one("refused: duration", "services: {a: {image: x, stop_grace_period: soon}}\n"),
  one("refused: size", "services: {a: {image: x, mem_limit: much}}\n"),
  one("refused: negative scale", "services: {a: {image: x, scale: -1}}\n"),
  one("refused: watch without an action", "services: {a: {build: ., develop: {watch: [{path: a}]}}}\n"),
  one("refused: pull_policy", "services: {a: {image: x, pull_policy: sometimes}}\n"),
  one("refused: depends_on itself", "services: {a: {image: x, depends_on: [a]}}\n"),
  one("refused: a condition", "services: {a: {image: x, depends_on: {b: {condition: ready}}}, b: {image: x}}\n"),
  one("refused: network_mode of nobody", "services: {a: {image: x, network_mode: 'service:b'}}\n"),
  one("refused: volumes_from nobody", "services: {a: {image: x, volumes_from: [b]}}\n"),
  one("refused: links to nobody", "services: {a: {image: x, links: [b]}}\n"),
  one("refused: unknown anchor", "services: {a: *nope}\n"),
  one("refused: secret with two sources", "services: {a: {image: x, secrets: [s]}}\nsecrets: {s: {file: ./a, environment: B}}\n"),
  one("refused: secret of a driver alone", "services: {a: {image: x, secrets: [s]}}\nsecrets: {s: {driver: d}}\n"),
  one("refused: option of an address pool", "services: {a: {image: x, networks: [n]}}\nnetworks: {n: {ipam: {options: {o: 1}}}}\n"),
  one("refused: the same group twice", "services: {a: {image: x, group_add: [g, g]}}\n"),
  one("refused: volume type", "services: {a: {image: x, volumes: [{type: floppy, target: /x}]}}\n"),
  one("refused: volume without a target", "services: {a: {image: x, volumes: [{type: bind, source: ./a}]}}\n"),
  one("refused: environment of a list", "services: {a: {image: x, environment: {A: [b]}}}\n"),
  one("refused: address of a host", "services: {a: {image: x, ports: ['1.2.3:80:80']}}\n"),
  one("refused: dockerfile twice", "services: {a: {build: {context: ., dockerfile: D, dockerfile_inline: 'FROM x'}}}\n"),
  one("refused: include of a file that is not there", "include: [nope.yaml]\nservices: {a: {image: x}}\n"),
];
