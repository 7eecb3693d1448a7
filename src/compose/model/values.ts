// Values that the specification takes as texts and that no engine can do anything with. They are found before anything is touched,
// when a project is to be created; `config` shows them as Docker Compose does.

import { isIP, isIPv4 } from "node:net";
import { Fault } from "../../lib/errors.ts";
import { parseReference } from "../../oci/reference.ts";
import { positionOf } from "../tree/node.ts";
import type { Problem } from "../tree/problem.ts";
import { didYouMean } from "../tree/suggest.ts";
import { type Project, type Service, sortedEntries } from "./project.ts";

type Path = readonly (string | number)[];
type Found = (path: Path, message: string) => void;

const restartPolicies = ["no", "always", "on-failure", "unless-stopped"];

/** Returns the values that are of no use, each in its place. */
export function uselessValues(project: Project): Problem[] {
  const problems: Problem[] = [];
  const found: Found = (path, message) =>
    problems.push({ at: positionOf(project.tree, path), path: path.join("."), message });
  for (const [name, service] of sortedEntries(project.services)) {
    const below: Found = (path, message) => found(["services", name, ...path], message);
    checkImage(service, below);
    checkRestart(service, below);
    checkAddresses(service, below);
    checkPlaces(service, below);
    const { start_interval: interval, start_period: period } = service.healthcheck ?? {};
    if (interval !== undefined && period === undefined)
      below(["healthcheck"], "healthcheck.start_interval requires healthcheck.start_period to be set");
  }
  for (const [name, { ipam }] of sortedEntries(project.networks)) {
    for (const [index, pool] of (ipam?.config ?? []).entries()) {
      const path = ["networks", name, "ipam", "config", index];
      if (pool.subnet !== undefined && !isSubnet(pool.subnet))
        found([...path, "subnet"], `must be a subnet such as 172.28.0.0/16, not ${quoted(pool.subnet)}`);
      if (pool.ip_range !== undefined && !isSubnet(pool.ip_range))
        found([...path, "ip_range"], `must be a range such as 172.28.5.0/24, not ${quoted(pool.ip_range)}`);
      checkAddress(pool.gateway, [...path, "gateway"], found);
    }
  }
  return problems;
}

const quoted = (text: string): string => JSON.stringify(text);

function checkImage({ image }: Service, found: Found): void {
  if (image === undefined || /^(sha256:)?[0-9a-f]{64}$/.test(image)) return;
  try {
    parseReference(image);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    found(["image"], error.message);
  }
}

function checkRestart({ restart }: Service, found: Found): void {
  if (restart === undefined || restart === "") return;
  const [policy = "", retries] = restart.split(":", 2);
  if (!restartPolicies.includes(policy))
    found(
      ["restart"],
      `must be no, always, on-failure[:<retries>] or unless-stopped, not ${quoted(restart)}${didYouMean(policy, restartPolicies)}`,
    );
  else if (retries !== undefined && (policy !== "on-failure" || !/^[0-9]+$/.test(retries)))
    found(
      ["restart"],
      `only on-failure has a number of retries, as in "on-failure:3", not ${quoted(restart)}`,
    );
}

function checkAddresses(service: Service, found: Found): void {
  for (const [name, network] of Object.entries(service.networks ?? {})) {
    const path = ["networks", name];
    if (network?.ipv4_address !== undefined && !isIPv4(network.ipv4_address))
      found([...path, "ipv4_address"], `must be an IPv4 address, not ${quoted(network.ipv4_address)}`);
    if (network?.ipv6_address !== undefined && isIP(network.ipv6_address) !== 6)
      found([...path, "ipv6_address"], `must be an IPv6 address, not ${quoted(network.ipv6_address)}`);
    checkMac(network?.mac_address, [...path, "mac_address"], found);
  }
  checkMac(service.mac_address, ["mac_address"], found);
  for (const [index, address] of (service.dns ?? []).entries()) checkAddress(address, ["dns", index], found);
  for (const [host, addresses] of Object.entries(service.extra_hosts ?? {}))
    for (const address of addresses)
      if (address !== "host-gateway")
        checkAddress(address.replace(/^\[(.*)\]$/, "$1"), ["extra_hosts", host], found);
}

function checkAddress(address: string | undefined, path: Path, found: Found): void {
  if (address !== undefined && isIP(address) === 0)
    found(path, `must be an IP address, not ${quoted(address)}`);
}

function checkMac(address: string | undefined, path: Path, found: Found): void {
  if (address === undefined || /^(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}$/i.test(address)) return;
  found(path, `must be an address such as 02:42:ac:11:00:02, not ${quoted(address)}`);
}

function isSubnet(text: string): boolean {
  const [address = "", bits = "", ...rest] = text.split("/");
  const family = isIP(address);
  return (
    family !== 0 &&
    rest.length === 0 &&
    /^[0-9]{1,3}$/.test(bits) &&
    Number(bits) <= (family === 4 ? 32 : 128)
  );
}

function checkPlaces(service: Service, found: Found): void {
  for (const [index, { target = "", type }] of (service.volumes ?? []).entries())
    if (!target.startsWith("/") && type !== "npipe")
      found(["volumes", index], `the path in the container must be absolute, not ${quoted(target)}`);
  if (service.working_dir !== undefined && service.working_dir !== "" && !service.working_dir.startsWith("/"))
    found(["working_dir"], `must be absolute, not ${quoted(service.working_dir)}`);
  for (const [name, limit] of Object.entries(service.ulimits ?? {}))
    if (typeof limit === "object" && limit.hard !== undefined && limit.soft !== undefined)
      if (limit.hard >= 0 && (limit.soft > limit.hard || limit.soft < 0))
        found(["ulimits", name], `the soft limit ${limit.soft} is above the hard limit ${limit.hard}`);
}
