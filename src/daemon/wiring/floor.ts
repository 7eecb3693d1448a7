// What everything else stands on: the stores under the data root, keel, and the record of events.
import { createHash } from "node:crypto";
import { join } from "node:path";
import { EventBus } from "../../engine/event/bus.ts";
import { EventHistory } from "../../engine/event/history.ts";
import { type Keel, startKeel } from "../../linux/keel.ts";
import { unpackKeel } from "../../linux/keel-program.ts";
import { FileContentStore } from "../../storage/content/store.ts";
import { type DiskIo, nodeDisk } from "../../storage/disk.ts";
import { LayerStore } from "../../storage/layer/store.ts";
import { MetaStore } from "../../storage/meta/store.ts";
import type { Log } from "../log.ts";
import { planInside } from "../rootless/inside.ts";
import { PortGate } from "../rootless/ports.ts";
import type { OpenConfig } from "../wiring.ts";
import { ExecRoot } from "./exec-root.ts";

/** What stands between the daemon and the machine, for those who watch it there or make it fail. */
export interface MachinePorts {
  readonly disk: DiskIo;
  readonly around: (keel: Keel) => Keel;
}

export const MACHINE: MachinePorts = { disk: nodeDisk, around: (keel) => keel };

export interface Floor {
  readonly disk: DiskIo;
  readonly meta: MetaStore;
  readonly execRoot: ExecRoot;
  readonly keel: Keel;
  /** Of keel's executable. */
  readonly keelPath: string;
  readonly content: FileContentStore;
  readonly layers: LayerStore;
  readonly events: EventBus;
  /** Tells what this daemon has made in the kernel from what others have: eight hexadecimal digits. */
  readonly owner: string;
}

/** Opens it; `stack` closes what has to be closed. `onLost` is called when keel is gone. */
export async function openFloor(
  config: OpenConfig,
  { disk, around }: MachinePorts,
  stack: AsyncDisposableStack,
  log: Log,
  onLost: () => void,
): Promise<Floor> {
  const info = (line: string): void => log("info", line);
  await disk.makeDir(config.dataRoot, 0o710);
  const meta = await MetaStore.open(join(config.dataRoot, "meta"), { disk, log: info });
  stack.defer(() => meta.close());
  // Under the lock of the data root, so that a successor never loses its directories to a predecessor that is just ending.
  const execRoot = stack.use(await ExecRoot.open(config.execRoot));
  const keelPath = unpackKeel(execRoot.dir);
  const keel = around(await startKeel({ keelPath, socketPath: execRoot.path("agent.sock"), onExit: onLost }));
  stack.defer(() => keel.close());
  if (config.rootless !== undefined) {
    await keel.run(planInside(config.rootless));
    stack.use(await PortGate.open(config.rootless.gate));
  }
  const content = await FileContentStore.open(join(config.dataRoot, "content"), disk);
  const layers = await LayerStore.open({
    dir: config.dataRoot,
    meta,
    content,
    keel,
    disk,
    log: info,
    maxTarBytes: config.transfers.layerBytes,
  });
  stack.defer(() => layers.close());
  const events = new EventBus(
    await EventHistory.open(join(config.dataRoot, "events"), (line) => log("warn", line), disk),
  );
  stack.defer(() => events.close());
  const owner = createHash("sha256").update(config.dataRoot).digest("hex").slice(0, 8);
  return { disk, meta, execRoot, keel, keelPath, content, layers, events, owner };
}
