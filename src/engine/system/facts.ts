// The facts behind `explain` that Docker's API does not tell: who listens in a container and on the host, which rules are in the
// kernel, what the kernel counted, what lies on the disk besides images, containers and volumes. Reading only.
import { readdir, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import type { InputOf } from "../../api/contract.ts";
import type * as operations from "../../api/operations/facts.ts";
import type { ContainerFacts, DiskFacts, Listener, PortFacts, PortRule } from "../../api/schemas/facts.ts";
import { Fault } from "../../lib/errors.ts";
import { listPids } from "../../linux/cgroupfs/processes.ts";
import { readMemoryFacts } from "../../linux/cgroupfs/oom.ts";
import { listFamily } from "../../linux/procfs/family.ts";
import { readCommandLine } from "../../linux/procfs/process.ts";
import { findSocketOwners } from "../../linux/procfs/socket-owners.ts";
import { type ListeningSocket, readListeners } from "../../linux/procfs/sockets.ts";
import type { PublishedRule } from "../../net/firewall/published.ts";
import type { ContainerContext } from "../container/context.ts";
import { type ContainerRecord, isRunning } from "../container/record.ts";
import { cgroupOf } from "../container/run/cgroup.ts";

export interface FactsOptions {
  readonly context: ContainerContext;
  readonly dataRoot: string;
  /** Reads the published ports from the kernel. */
  publishedRules(): Promise<PublishedRule[]>;
}

/** What of the data root is no image's, container's or volume's. */
const PARTS = ["meta", "events", "content", "build-mounts", "trash", "tmp", "kept"];

export class FactsService {
  readonly #options: FactsOptions;

  constructor(options: FactsOptions) {
    this.#options = options;
  }

  async container(input: InputOf<typeof operations.containerFacts>): Promise<ContainerFacts> {
    const { context } = this.#options;
    const record = context.table.find(input.id);
    const addresses = record.endpoints.flatMap((e) => [e.attached?.ip, e.attached?.ip6]);
    const rules = await this.#rules();
    const facts = {
      Id: record.id,
      Listeners: null,
      Rules: rules?.filter((r) => addresses.includes(r.ContainerIp)) ?? null,
    };
    if (!isRunning(record)) return facts;
    const sockets = readListeners(record.state.pid);
    const memory = context.cgroups.mode === "none" ? undefined : readMemoryFacts(cgroupOf(context, record));
    return {
      ...facts,
      Listeners: sockets === undefined ? null : await listenersOf(sockets, processesOf(context, record)),
      ...(memory === undefined
        ? {}
        : {
            Memory: {
              OomKills: memory.oomKills,
              UsageBytes: memory.usageBytes,
              LimitBytes: memory.limitBytes,
            },
          }),
    };
  }

  async port(input: InputOf<typeof operations.portFacts>): Promise<PortFacts> {
    const port = Number(input.port);
    if (!/^\d{1,5}$/.test(input.port) || port < 1 || port > 65_535)
      throw new Fault("invalidParameter", `invalid port ${JSON.stringify(input.port)}: 1 to 65535`, {
        code: "port.invalid",
      });
    const sockets = readListeners("self")?.filter((s) => s.port === port);
    const rules = await this.#rules();
    return {
      Port: port,
      Listeners: sockets === undefined ? null : await listenersOf(sockets),
      Rules: rules?.filter((r) => r.HostPort === port) ?? null,
    };
  }

  async disk(): Promise<DiskFacts> {
    const { context, dataRoot } = this.#options;
    const { bsize, blocks, bavail } = await statfs(dataRoot);
    const Parts = await Promise.all(
      PARTS.map(async (name) => ({ Name: name, SizeBytes: await bytesBelow(join(dataRoot, name)) })),
    );
    return {
      DataRoot: dataRoot,
      TotalBytes: bsize * blocks,
      FreeBytes: bsize * bavail,
      Logs: await Promise.all(context.table.all().map((record) => logFacts(context, record))),
      Parts: Parts.filter((p) => p.SizeBytes > 0),
    };
  }

  async #rules(): Promise<PortRule[] | undefined> {
    const rules = await this.#options.publishedRules().catch(() => undefined); // the answer says that they cannot be read
    return rules?.map((r) => ({
      Protocol: r.proto,
      HostIp: r.hostIp,
      HostPort: r.hostPort,
      ContainerIp: r.containerIp,
      ContainerPort: r.containerPort,
    }));
  }
}

function processesOf(context: ContainerContext, record: ContainerRecord): number[] {
  return context.cgroups.mode === "none" ? listFamily(record.state.pid) : listPids(cgroupOf(context, record));
}

async function listenersOf(
  sockets: readonly ListeningSocket[],
  pids?: readonly number[],
): Promise<Listener[]> {
  const owners = await findSocketOwners(new Set(sockets.map((s) => s.inode)), pids);
  return sockets.map(({ protocol, address, port, inode }) => {
    const pid = owners.get(inode) ?? 0;
    return {
      Protocol: protocol,
      Address: address,
      Port: port,
      Pid: pid,
      Command: pid === 0 ? "" : readCommandLine(pid).join(" "),
    };
  });
}

async function logFacts(
  { paths }: ContainerContext,
  record: ContainerRecord,
): Promise<DiskFacts["Logs"][number]> {
  const { Type, Config } = record.hostConfig.LogConfig;
  const dir = paths.dir(record.id);
  // The log and what it was before each rotation are next to each other.
  const path = paths.log(record.id, Type);
  const names = (await readdir(dir).catch(() => [])).filter((name) => join(dir, name).startsWith(path)); // ignored: never started
  const sizes = await Promise.all(names.map((name) => sizeOf(join(dir, name))));
  return {
    Id: record.id,
    Name: record.name,
    SizeBytes: sizes.reduce((sum, size) => sum + size, 0),
    Driver: Type,
    IsRotated: Config?.["max-size"] !== "-1",
  };
}

async function bytesBelow(dir: string): Promise<number> {
  const entries = await readdir(dir, { withFileTypes: true, recursive: false }).catch(() => []); // ignored: not there is no bytes
  const sizes = await Promise.all(
    entries.map((e) => (e.isDirectory() ? bytesBelow(join(dir, e.name)) : sizeOf(join(dir, e.name)))),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.size ?? 0; // ignored: removed meanwhile
}
