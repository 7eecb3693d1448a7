// Why a port of a container does not answer: its state, where it is published, what leads there, and whether something listens
// behind it. Pure over the answers of the API.
import type { ContainerInspect } from "../../api/schemas/container.ts";
import type { ContainerFacts, Listener, PortFacts } from "../../api/schemas/facts.ts";
import { type Explanation, Findings, listed } from "./explanation.ts";

/** `80` and `tcp`; a port of the container. */
export interface ContainerPort {
  readonly port: number;
  readonly protocol: string;
}

export interface PortAnswers {
  readonly inspect: ContainerInspect;
  /** Which of the container's networks are internal, by name. */
  readonly internal: readonly string[];
  /** undefined: the daemon is a Docker Engine. */
  readonly facts: ContainerFacts | undefined;
}

interface Binding {
  readonly ip: string;
  readonly port: number;
}

const isLoopback = (ip: string): boolean => ip.startsWith("127.") || ip === "::1";
const isAny = (ip: string): boolean => ip === "" || ip === "0.0.0.0" || ip === "::";
const shown = ({ ip, port }: Binding): string => (ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`);

/** Explains one port of a container. */
export function explainContainerPort(
  answers: PortAnswers,
  asked: ContainerPort,
  program: string,
): Explanation {
  const { inspect, internal, facts } = answers;
  const name = inspect.Name.replace(/^\//, "");
  const key = `${asked.port}/${asked.protocol}`;
  const found = new Findings();
  const subject = `port ${key} of container ${name}`;
  const { Status } = inspect.State;
  if (Status !== "running") {
    found.because.push(
      `the container ${Status === "paused" ? "is paused" : `does not run: it is ${Status}`}`,
    );
    found.advice.push(`\`${program} explain container ${name}\` says why`);
    return found.explain(subject, "does not answer");
  }
  const mode = inspect.HostConfig.NetworkMode;
  if (mode === "none") {
    found.because.push("the container has no network (--network none)");
    return found.explain(subject, "cannot be reached");
  }
  const bindings = (inspect.NetworkSettings.Ports[key] ?? []).map((b) => ({
    ip: b.HostIp,
    port: Number(b.HostPort),
  }));
  let isReached = publication({ inspect, internal, facts, name, key, bindings, program }, found);
  isReached = listening(facts, asked, found) && isReached;
  healthNote(inspect, found);
  if (!isReached) return found.explain(subject, "does not answer as wanted");
  if (facts === undefined)
    return found.explain(
      subject,
      `is published on ${listed(bindings.map(shown))}; what is behind it is not known`,
    );
  found.unknown.push(
    "what lies between a client and this host: the host's own firewall, a cloud's security groups, routes",
  );
  const where = mode === "host" ? "on the host's addresses" : `on ${listed(bindings.map(shown))}`;
  return found.explain(subject, `should answer ${where}`);
}

interface Published {
  readonly inspect: ContainerInspect;
  readonly internal: readonly string[];
  readonly facts: ContainerFacts | undefined;
  readonly name: string;
  readonly key: string;
  readonly bindings: readonly Binding[];
  readonly program: string;
}

/** Whether a way leads from outside to the container. */
function publication(p: Published, found: Findings): boolean {
  const { inspect, internal, name, key, bindings, program } = p;
  if (inspect.HostConfig.NetworkMode === "host") {
    found.facts.push(
      "the container uses the host's network: nothing is published, its programs listen on the host",
    );
    return true;
  }
  const networks = Object.keys(inspect.NetworkSettings.Networks);
  if (bindings.length === 0) {
    const isWanted = (inspect.HostConfig.PortBindings?.[key] ?? []).length > 0;
    if (isWanted && networks.length > 0 && networks.every((n) => internal.includes(n))) {
      found.because.push(`its network ${listed(networks)} is internal: nothing is published there`);
      found.advice.push(
        `connect it to a network with a way out: \`${program} network connect NETWORK ${name}\``,
      );
      return false;
    }
    const others = Object.entries(inspect.NetworkSettings.Ports).flatMap(([k, v]) => (v?.length ? [k] : []));
    found.because.push(
      `the port is not published${others.length > 0 ? ` (published are ${listed(others)})` : ""}: only the members of its networks and this host reach it`,
    );
    found.advice.push(
      `publish it with -p when the container is made, or now: \`${program} update --publish-add ${key} ${name}\``,
    );
    return false;
  }
  if (bindings.every(({ ip }) => isLoopback(ip))) {
    found.facts.push(`it is published on ${listed(bindings.map(shown))} only: no other host reaches it`);
    found.advice.push("for other hosts, publish it without an address, or on the address that they reach");
  } else found.facts.push(`it is published on ${listed(bindings.map(shown))}`);
  return rulesPresent(p, found);
}

function rulesPresent({ facts, bindings, name, program }: Published, found: Findings): boolean {
  if (facts === undefined) {
    found.unknown.push("whether its firewall rules are in place: a Docker Engine's API does not tell");
    return true;
  }
  if (facts.Rules === null) {
    found.because.push("the daemon's firewall table cannot be read: something has removed it");
    found.advice.push(`restart the daemon, which writes it again (${program}'s containers go on meanwhile)`);
    return false;
  }
  const rules = facts.Rules;
  // IPv6 that leads to an IPv4 container, and IPv6 loopback, are carried by a socket of the daemon.
  const missing = bindings.filter(
    ({ ip, port }) =>
      !ip.includes(":") &&
      !rules.some((r) => r.HostPort === port && (isAny(ip) ? isAny(r.HostIp) : r.HostIp === ip)),
  );
  if (missing.length === 0) return true;
  found.because.push(
    `the firewall rule for ${listed(missing.map(shown))} is not in the kernel: something has removed it`,
  );
  found.advice.push(`\`${program} restart ${name}\` sets it again`);
  return false;
}

/** Whether something in the container waits at the port. */
function listening(
  facts: ContainerFacts | undefined,
  { port, protocol }: ContainerPort,
  found: Findings,
): boolean {
  if (facts?.Listeners === undefined || facts.Listeners === null) {
    found.unknown.push("whether something listens in the container: that cannot be read here");
    return true;
  }
  const here = facts.Listeners.filter((l) => l.Port === port && l.Protocol === protocol);
  if (here.length === 0) {
    const others = facts.Listeners.filter((l) => l.Protocol === protocol).map(listenerText);
    found.because.push(
      `nothing in the container listens on ${port}/${protocol}${others.length > 0 ? `; it listens on ${listed([...new Set(others)])}` : ""}`,
    );
    found.advice.push(
      others.length > 0
        ? "publish the port that the program really uses, or configure the program"
        : "wait until the program listens, or look into its log for why it does not",
    );
    return false;
  }
  if (here.every((l) => isLoopback(l.Address))) {
    found.because.push(
      `${listed(here.map(listenerText))} listens on the container's own loopback only, which nobody outside of it reaches`,
    );
    found.advice.push("have the program listen on 0.0.0.0 (or ::) instead of 127.0.0.1 or localhost");
    return false;
  }
  found.facts.push(`in the container ${listed(here.map(listenerText))} listens`);
  return true;
}

export function listenerText(l: Listener): string {
  const where = `${l.Address.includes(":") ? `[${l.Address}]` : l.Address}:${l.Port}`;
  return l.Pid === 0 ? where : `${l.Command.slice(0, 60)} (process ${l.Pid}) on ${where}`;
}

function healthNote({ State: { Health } }: ContainerInspect, found: Findings): void {
  if (Health?.Status === "unhealthy") found.facts.push("the container's health check fails");
}

/** Explains a port of the host that no running container publishes. */
export function explainHostPort(
  asked: ContainerPort,
  facts: PortFacts | undefined,
  wanting: readonly { readonly name: string; readonly status: string }[],
  program: string,
): Explanation {
  const found = new Findings();
  const subject = `port ${asked.port}/${asked.protocol} of the host`;
  for (const { name, status } of wanting) {
    found.because.push(`container ${name}, which publishes it, is ${status}`);
    found.advice.push(`\`${program} explain container ${name}\``);
  }
  const listeners = facts?.Listeners?.filter((l) => l.Protocol === asked.protocol) ?? [];
  if (listeners.length > 0) {
    found.facts.push(`on the host ${listed(listeners.map(listenerText))} listens`);
    if (wanting.length > 0)
      found.advice.push(
        "a container gets the port only when that program gives it up; publish another one else",
      );
  } else if (facts === undefined || facts.Listeners === null)
    found.unknown.push("which program of the host has the port: that cannot be read here");
  if (wanting.length > 0) return found.explain(subject, "leads to no container now");
  if (listeners.length > 0) return found.explain(subject, "is no container's");
  found.because.push("no container publishes it");
  found.advice.push(
    `publish it: \`${program} run -p ${asked.port}:PORT …\`, or \`${program} update --publish-add\``,
  );
  return found.explain(subject, "is nobody's");
}
