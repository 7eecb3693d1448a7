// Waiting for the kernel where it has no event for us: a cgroup that is being emptied, a process that is being killed.

const cell = new Int32Array(new SharedArrayBuffer(4));

/** Waits longer the longer one has waited already, 0.5 to 20 ms; returns how long. */
export function pause(waitedMs: number): number {
  const ms = Math.min(0.5 + waitedMs / 4, 20);
  Atomics.wait(cell, 0, 0, ms);
  return ms;
}
