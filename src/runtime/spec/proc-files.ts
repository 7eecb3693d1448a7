// The files of /proc that may be something else in a container: what runc allows for lxcfs and its like.

const PROC_FILES: ReadonlySet<string> = new Set(
  "cpuinfo diskstats meminfo stat swaps uptime loadavg slabinfo net/dev sys/kernel/ns_last_pid sys/crypto/fips_enabled"
    .split(" ")
    .map((name) => `/proc/${name}`),
);

/** Whether something may be mounted at this absolute, clean path below /proc. */
export function isProcFile(path: string): boolean {
  return PROC_FILES.has(path);
}
