// The three files that are bound over a container's /etc: hostname, hosts, resolv.conf. Written at every start, in the
// container's directory on the host.
import { Fault } from "../../../lib/errors.ts";
import { chown, readFile, writeFile } from "node:fs/promises";
import { outsideRoot } from "../../../linux/idmap.ts";
import { type HostEntry, hostnameFile, hostsFile } from "../../../net/sandbox/hosts-file.ts";
import { subnetOf } from "../../network/record.ts";
import type { PlannedEndpoint } from "../../network/service.ts";
import type { ContainerContext } from "../context.ts";
import { HOST_GATEWAY, parseExtraHost } from "../host-config/extra-hosts.ts";
import { linkedHosts } from "../network/links.ts";
import { writeResolvConf } from "../network/resolv-conf.ts";
import type { ContainerRecord } from "../record.ts";

/** Writes the files for the next run; fails with invalidParameter on impossible hosts or name servers. */
export async function writeEtcFiles(
  context: ContainerContext,
  record: ContainerRecord,
  planned: readonly PlannedEndpoint[],
): Promise<void> {
  const { paths } = context;
  const { config, id } = record;
  const hosts = (await hostsOfHost(record)) ?? ownHosts(context, record, planned);
  await Promise.all([
    writeFile(paths.etcFile(id, "hostname"), hostnameFile(config.Hostname)),
    writeFile(paths.etcFile(id, "hosts"), hosts),
    writeResolvConf(context, record),
  ]);
  if (record.idMap === undefined) return;
  const { uid, gid } = outsideRoot(record.idMap);
  const files = (["hostname", "hosts", "resolv.conf"] as const).map((name) => paths.etcFile(id, name));
  await Promise.all(files.map((path) => chown(path, uid, gid)));
}

/** compat: in the host's network a container knows the names that the host knows, unless it is told others. */
async function hostsOfHost({ hostConfig: h }: ContainerRecord): Promise<string | undefined> {
  if (h.NetworkMode !== "host" || (h.ExtraHosts?.length ?? 0) > 0) return undefined;
  return readFile("/etc/hosts", "utf8").catch(() => undefined); // ignored: a host without the file has no names to share
}

function ownHosts(
  context: ContainerContext,
  record: ContainerRecord,
  planned: readonly PlannedEndpoint[],
): string {
  const { config, hostConfig: h } = record;
  return hostsFile({
    hostname: config.Hostname,
    domainname: config.Domainname,
    addresses: planned.flatMap(({ record: e }) => [e.ip, e.ip6 ?? ""].filter((ip) => ip !== "")),
    extra: [
      ...(h.ExtraHosts ?? []).flatMap((text) => hostEntries(context, text)),
      ...linkedHosts(context.table, record),
    ],
  });
}

/** compat: where the configuration says nothing, the host is what the default bridge's gateway is, whatever networks the container is in. */
function hostGateways(context: ContainerContext): readonly string[] {
  if (context.hostGatewayIps.length > 0) return context.hostGatewayIps;
  const bridge = context.networks.findPlace("bridge");
  const { gateway } = subnetOf(bridge, "ipv4") ?? subnetOf(bridge, "ipv6") ?? {};
  if (gateway !== undefined) return [gateway];
  // compat: Docker's text
  throw new Fault("system", "unable to derive the IP value for host-gateway", {
    code: "container.host-gateway",
  });
}

function hostEntries(context: ContainerContext, text: string): HostEntry[] {
  const { name, address } = parseExtraHost(text);
  const ips = address === HOST_GATEWAY ? hostGateways(context) : [address];
  return ips.map((ip) => ({ ip, names: [name] }));
}
