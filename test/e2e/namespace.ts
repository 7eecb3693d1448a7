// A network namespace of a test's own: its ports, bridge and nftables are nobody else's. A process that reads its standard
// input holds it, so that it goes away with the test whatever happens.
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
