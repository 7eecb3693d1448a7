// Who may do what: authorisation plugins, the record of requests, sockets with a policy.
import type { ContainerContext } from "../../engine/container/context.ts";
import type { ExecService } from "../../engine/exec/service.ts";
import { configOf } from "../../engine/image/record.ts";
import type { Keel } from "../../linux/keel.ts";
import { host } from "../../linux/ops.ts";
import { AuditLog } from "../../server/access/audit.ts";
import type { ScopeWorld } from "../../server/access/label-scope.ts";
import type { Peer } from "../../server/access/peer.ts";
import type { Log } from "../log.ts";

/** Opens the record of requests; undefined where none is kept. */
export function openAuditLog(path: string, keel: Keel, log: Log): AuditLog | undefined {
  if (path === "") return undefined;
  return new AuditLog(
    path,
    (fd) => peerOf(keel, fd),
    (line) => log("error", line),
  );
}

/** Who has connected to one of this process's unix sockets. */
async function peerOf(keel: Keel, fd: number): Promise<Peer> {
  const { results } = await keel.run([host.socketPeer(process.pid, fd)]);
  const [pid, uid, gid] = results[0] as [pid: number, uid: number, gid: number];
  return { pid, uid, gid };
}

/** What sockets with a scope of labels look up. */
export function scopeWorld(
  { table, images, networks, volumes }: ContainerContext,
  exec: ExecService,
): ScopeWorld {
  return {
    container(reference) {
      const { id, config } = table.find(reference);
      return { id, labels: config.Labels };
    },
    image(reference) {
      const image = images.find(reference);
      return { id: image.id, labels: configOf(image).config.labels };
    },
    network: (reference) => networks.find(reference),
    volume(name) {
      const record = volumes.get(name);
      return record === undefined ? undefined : { id: name, labels: record.labels };
    },
    execContainer: (id) => exec.containerOf(id),
  };
}
