// Published ports in a row, so that a range is one thing to the firewall. Pure.

import type { PortProto } from "../model.ts";

/** A published port: translated by the kernel, or opened on the container's own address. */
export interface Publication {
  proto: PortProto;
  /** "0.0.0.0" or "::" for every address of the family; "" where the port is not translated (gateway mode routed). */
  hostIp: string;
  hostPort: number;
  /** Of the same family as hostIp. */
  containerIp: string;
  containerPort: number;
  /** Reachable by the container's own address, from outside (routed) or from trusted devices. */
  isDirect: boolean;
}

/** Ports in a row that go to the same numbers of one address, or one port that is translated; the first of `count`. */
export interface PublicationRun extends Publication {
  count: number;
}

/**
 * Returns the runs, each port once. A range whose numbers differ between host and container stays as many ports: the
 * kernel's maps know no arithmetic, and its translation to a range takes whichever port of that is free.
 */
export function runsOf(publications: readonly Publication[]): PublicationRun[] {
  const runs: PublicationRun[] = [];
  const latest = new Map<string, PublicationRun>();
  for (const p of publications.toSorted((a, b) => a.hostPort - b.hostPort)) {
    const front = `${p.proto} ${p.hostIp} ${p.containerIp} ${p.isDirect}`;
    const keepsNumber = p.hostPort === p.containerPort;
    const last = keepsNumber ? latest.get(front) : undefined;
    const next = last === undefined ? 0 : last.hostPort + last.count;
    if (p.hostPort < next) continue;
    if (last !== undefined && p.hostPort === next) last.count++;
    else {
      const run = { ...p, count: 1 };
      runs.push(run);
      if (keepsNumber) latest.set(front, run);
    }
  }
  return runs;
}
