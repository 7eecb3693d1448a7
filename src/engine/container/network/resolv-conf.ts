// The /etc/resolv.conf of a container: written at every start, and once more when a running container joins its first
// network with a name service, unless somebody has changed it meanwhile (its digest is kept beside it, as Docker does).
// The file is bound into the container: it is rewritten in place, never replaced.
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { open, readFile, writeFile } from "node:fs/promises";
import { messageOf } from "../../../lib/errors.ts";
import {
  bridgeResolvConf,
  type ContainerResolvConf,
  hostResolvConf,
  loadHostResolvConf,
  loadResolvConf,
  serviceResolvConf,
} from "../../../net/dns/resolv-conf.ts";
import type { ContainerContext } from "../context.ts";
import type { ContainerRecord } from "../record.ts";
import { dnsWishes, hasNameService } from "./names.ts";

const digest = (text: string): string => createHash("sha256").update(text).digest("hex");

/** Writes the file for the next run; fails with invalidParameter on impossible name servers. */
export async function writeResolvConf(context: ContainerContext, record: ContainerRecord): Promise<void> {
  const { content, warnings } = await resolvConfOf(context, record);
  for (const warning of warnings) context.log("warn", `container ${record.id.slice(0, 12)}: ${warning}`);
  const path = context.paths.etcFile(record.id, "resolv.conf");
  await Promise.all([writeFile(path, content), writeFile(`${path}.hash`, digest(content))]);
}

/** Names the service in the file of a running container, whose own changes stay; what fails is logged. */
export async function rewriteResolvConf(context: ContainerContext, record: ContainerRecord): Promise<void> {
  const path = context.paths.etcFile(record.id, "resolv.conf");
  try {
    await using file = await open(path, constants.O_RDWR | constants.O_NOFOLLOW);
    const before = await file.readFile("utf8");
    const { content } = await resolvConfOf(context, record);
    const written = await readFile(`${path}.hash`, "utf8").catch(() => ""); // ignored: written by an older version
    if (digest(before) !== written || before === content) return;
    await writeFile(`${path}.hash`, digest(content));
    await file.truncate(0);
    await file.write(content, 0);
  } catch (error) {
    const id = record.id.slice(0, 12);
    context.log("warn", `container ${id}: cannot change /etc/resolv.conf: ${messageOf(error)}`);
  }
}

async function resolvConfOf(
  context: Pick<ContainerContext, "nameService">,
  record: ContainerRecord,
): Promise<ContainerResolvConf> {
  const wishes = dnsWishes(record, context.nameService.defaults);
  if (record.hostConfig.NetworkMode === "host") return hostResolvConf(await loadResolvConf(), wishes);
  if (hasNameService(record)) return serviceResolvConf(await loadResolvConf(), wishes);
  return bridgeResolvConf(await loadHostResolvConf(), wishes);
}
