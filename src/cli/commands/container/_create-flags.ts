// The flags that `create` and `run` share: everything that ends up in the create request.

import { bool, int, list, map, string, uint } from "../../../lib/flags/spec.ts";
import { envFlag, labelFlag } from "../../options/env.ts";
import { mountFlag } from "../../options/mount.ts";
import { networkFlag } from "../../options/network.ts";
import {
  attachFlag,
  bytesFlag,
  cpusFlag,
  deviceRuleFlag,
  dnsSearchFlag,
  durationFlag,
  extraHostFlag,
  gpusFlag,
  ipListFlag,
  linkFlag,
  swapFlag,
  sysctlFlag,
  throttleFlag,
  ulimitFlag,
  weightFlag,
} from "../../options/values.ts";

const general = {
  annotation: map("Add an annotation to the container (passed through to the OCI runtime)", {
    since: "1.43",
  }),
  attach: attachFlag("Attach to STDIN, STDOUT or STDERR"),
  cidfile: string("Write the container ID to the file"),
  device: list("Add a host device to the container"),
  "device-cgroup-rule": deviceRuleFlag("Add a rule to the list of devices the cgroup allows"),
  "disable-content-trust": bool("Skip image verification", {
    initial: process.env["DOCKER_CONTENT_TRUST"] !== "1",
  }),
  domainname: string("NIS domain name of the container"),
  entrypoint: string("Replace the image's ENTRYPOINT"),
  env: envFlag("Set environment variables", { short: "e" }),
  "env-file": list("Read a file of environment variables"),
  gpus: gpusFlag("GPU devices to add to the container ('all' to pass all GPUs)", { since: "1.40" }),
  "group-add": list("Further groups to join"),
  hostname: string("Host name of the container", { short: "h" }),
  init: bool("Run an init that forwards signals and reaps processes", { since: "1.25" }),
  interactive: bool("Keep STDIN open even if not attached", { short: "i" }),
  label: labelFlag("Set metadata on the container", { short: "l" }),
  "label-file": list("Read a file of labels, one a line"),
  name: string("Name of the container"),
  platform: string("Platform of the image, where the daemon has several", {
    initial: process.env["DOCKER_DEFAULT_PLATFORM"] ?? "",
    since: "1.32",
  }),
  pull: string('Pull image before running ("always", "missing", "never")', { initial: "missing" }),
  quiet: bool("Do not print the pull's progress", { short: "q" }),
  "read-only": bool("Mount the root filesystem read-only"),
  restart: string("What to do when the container exits", { initial: "no" }),
  rm: bool("Remove the container and its anonymous volumes when it exits"),
  runtime: string("Runtime to use for this container"),
  "stop-signal": string("Signal that stops the container"),
  "stop-timeout": int("Seconds to wait for the container to stop before it is killed", { since: "1.25" }),
  sysctl: sysctlFlag("Kernel settings of the container's namespaces"),
  tty: bool("Allocate a pseudo-TTY", { short: "t" }),
  ulimit: ulimitFlag("Resource limits of processes"),
  "use-api-socket": bool("Give the container the daemon's socket and the user's registry credentials"),
  user: string("User name or UID (format: <name|uid>[:<group|gid>])", { short: "u" }),
  workdir: string("Working directory inside the container", { short: "w" }),
};

const security = {
  "cap-add": list("Add Linux capabilities"),
  "cap-drop": list("Drop Linux capabilities"),
  cgroupns: string("Cgroup namespace (host|private); the daemon's choice when empty", { since: "1.41" }),
  privileged: bool("Give extended privileges to the container"),
  "security-opt": list("Security options"),
  userns: string("User namespace to use"),
};

const networking = {
  "add-host": extraHostFlag("Add a line host:ip to /etc/hosts"),
  dns: ipListFlag("Name servers"),
  "dns-opt": list("Options of the resolver", { hidden: true }),
  "dns-option": list("Options of the resolver"),
  "dns-search": dnsSearchFlag("Search domains"),
  expose: list("Expose a port or a range of ports"),
  ip: string("IPv4 address (e.g., 172.30.100.104)"),
  ip6: string("IPv6 address (e.g., 2001:db8::33)"),
  link: linkFlag("Add a link to another container"),
  "link-local-ip": list("IPv4/IPv6 link-local addresses"),
  "mac-address": string("MAC address (e.g., 92:d0:c6:0a:29:33)"),
  net: networkFlag("Connect the container to a network", { hidden: true }),
  "net-alias": list("Further name of the container on the network", { hidden: true }),
  network: networkFlag("Connect the container to a network"),
  "network-alias": list("Further name of the container on the network"),
  publish: list("Publish ports on the host", { short: "p" }),
  "publish-all": bool("Publish all exposed ports on random ports", { short: "P" }),
};

const storage = {
  "log-driver": string("Logging driver of the container"),
  "log-opt": list("Options of the logging driver"),
  mount: mountFlag("Attach a filesystem mount to the container"),
  "storage-opt": list("Options of the storage driver"),
  tmpfs: list("Mount a tmpfs directory"),
  volume: list("Bind mount a volume", { short: "v" }),
  "volume-driver": string("Volume driver of the container"),
  "volumes-from": list("Mount the volumes of other containers"),
};

const health = {
  "health-cmd": string("Command that checks health"),
  "health-http": string("URL that answers while the container is healthy (such as http://localhost:8080/)"),
  "health-interval": durationFlag("Time between checks (ms|s|m|h) (default 0s)"),
  "health-on-failure": string("What to do when the container becomes unhealthy (none|restart|stop|kill)"),
  "health-retries": int("Failures in a row that mean unhealthy"),
  "health-start-interval": durationFlag(
    "Time between checks while the container starts (ms|s|m|h) (default 0s)",
    {
      since: "1.44",
    },
  ),
  "health-start-period": durationFlag("Time to start before failures count (ms|s|m|h) (default 0s)", {
    since: "1.29",
  }),
  "health-tcp": string("[HOST:]PORT that takes connections while the container is healthy"),
  "health-timeout": durationFlag("Longest time of one check (ms|s|m|h) (default 0s)"),
  "no-healthcheck": bool("Disable the image's HEALTHCHECK"),
};

const resources = {
  "blkio-weight": uint("Weight of block IO, between 10 and 1000, or 0 to disable (default 0)", 16),
  "blkio-weight-device": weightFlag("Weight of block IO of a device"),
  "cgroup-parent": string("Parent cgroup of the container"),
  "cpu-count": int("Number of CPUs (Windows only)", { os: "windows" }),
  "cpu-percent": int("Percentage of CPU (Windows only)", { os: "windows" }),
  "cpu-period": int("Period of the CPU quota in microseconds"),
  "cpu-quota": int("Microseconds of CPU in a period"),
  "cpu-rt-period": int("Period of real-time scheduling in microseconds", { since: "1.25" }),
  "cpu-rt-runtime": int("Microseconds of real-time scheduling in a period", { since: "1.25" }),
  "cpu-shares": int("CPU shares (relative weight)", { short: "c" }),
  cpus: cpusFlag("Number of CPUs", { since: "1.25" }),
  "cpuset-cpus": string("CPUs to run on (0-3, 0,1)"),
  "cpuset-mems": string("Memory nodes to use (0-3, 0,1)"),
  "device-read-bps": throttleFlag("Limit of reads from a device, in bytes per second", "bytes"),
  "device-read-iops": throttleFlag("Limit of reads from a device, in operations per second", "operations"),
  "device-write-bps": throttleFlag("Limit of writes to a device, in bytes per second", "bytes"),
  "device-write-iops": throttleFlag("Limit of writes to a device, in operations per second", "operations"),
  "io-maxbandwidth": bytesFlag("Limit of IO bandwidth of the system drive (Windows only)", {
    os: "windows",
  }),
  "io-maxiops": uint("Limit of IO operations of the system drive (Windows only)", 64, { os: "windows" }),
  "kernel-memory": bytesFlag("Limit of kernel memory"),
  memory: bytesFlag("Limit of memory", { short: "m" }),
  "memory-reservation": bytesFlag("Soft limit of memory"),
  "memory-swap": swapFlag("Limit of memory plus swap: '-1' for unlimited swap"),
  "memory-swappiness": int("Tendency to swap (0 to 100)", { initial: -1 }),
  "oom-kill-disable": bool("Disable the OOM killer"),
  "oom-score-adj": int("Preference of the host's OOM killer (-1000 to 1000)"),
  "pids-limit": int("Limit of processes (-1 for unlimited)"),
};

const isolation = {
  ipc: string("IPC mode"),
  isolation: string("Isolation technology"),
  pid: string("PID namespace to use"),
  "shm-size": bytesFlag("Size of /dev/shm"),
  uts: string("UTS namespace to use"),
};

export const createFlags = {
  ...general,
  ...security,
  ...networking,
  ...storage,
  ...health,
  ...resources,
  ...isolation,
};
