// A network namespace of a test's own: its ports, bridge and nftables are nobody else's. A process that reads its standard
// input holds it, so that it goes away with the test whatever happens.
import assert from "node:assert/strict";
import { Live, type CommandOptions, type Outcome, run } from "./command.ts";

export class NetworkNamespace {
  #holder: Live;

  private constructor(holder: Live) {
    this.#holder = holder;
  }

  /** Makes a namespace with its loopback up. */
  static async make(): Promise<NetworkNamespace> {
    return new NetworkNamespace(await hold());
  }

  /** Makes another in the place of one whose holder was killed. */
  async revive(): Promise<void> {
    if (this.#holder.hasEnded) this.#holder = await hold();
  }

  /** The process that holds it. */
  get pid(): number {
    return this.#holder.pid;
  }

  /** Returns the command that runs `argv` inside; the process id stays that of `argv`. */
  wrap(argv: readonly string[]): string[] {
    return ["nsenter", `--net=/proc/${this.pid}/ns/net`, "--", ...argv];
  }

  run(argv: readonly string[], options: CommandOptions = {}): Promise<Outcome> {
    return run(this.wrap(argv), options);
  }

  async close(): Promise<void> {
    this.#holder.stdin.end();
    await this.#holder.ended;
  }
}

async function hold(): Promise<Live> {
  const script = "ip link set lo up && echo ready && exec cat >/dev/null";
  const holder = new Live(["unshare", "--net", "sh", "-c", script], { timeoutMs: 24 * 3600_000 });
  await holder.prints("ready");
  return holder;
}

/** Runs ip(8) in a namespace; it has to succeed. */
export async function ip(namespace: NetworkNamespace, ...args: string[]): Promise<string> {
  const done = await namespace.run(["ip", ...args]);
  assert.equal(done.status, 0, `ip ${args.join(" ")}: ${done.stderr}`);
  return done.stdout;
}

/**
 * Returns a machine outside, joined to the namespace by its device wan0: 10.99.0.1 and fd99::1 there, the addresses that end in `hosts`
 * on eth0 outside. Its owner removes wan0 and closes it.
 */
export async function connectOutside(
  inner: NetworkNamespace,
  hosts: readonly number[] = [2],
): Promise<NetworkNamespace> {
  const outside = await NetworkNamespace.make();
  const peer = ["peer", "name", "eth0", "netns", String(outside.pid)];
  await ip(inner, "link", "add", "wan0", "type", "veth", ...peer);
  for (const [namespace, device, own] of [
    [inner, "wan0", [1]],
    [outside, "eth0", hosts],
  ] as const) {
    for (const host of own) {
      await ip(namespace, "addr", "add", `10.99.0.${host}/24`, "dev", device);
      await ip(namespace, "addr", "add", `fd99::${host}/64`, "dev", device, "nodad");
    }
    await ip(namespace, "link", "set", device, "up");
  }
  return outside;
}
