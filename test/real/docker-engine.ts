// The real Docker Engine (package docker.io) with directories, a socket and a network namespace of its own.
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Live, run } from "../e2e/command.ts";
import { NetworkNamespace } from "../e2e/namespace.ts";

/**
 * Runs dockerd as a child of the first process of a PID namespace, until its input ends, and removes its directory $0: the engine, its shims
 * and its containers end with the test, however that ends. What the engine says of process identifiers is true inside only.
 */
const CONTAINED = ["unshare", "-m", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c"];
const UNTIL_INPUT_ENDS = '"$@" & cat >/dev/null; kill -TERM $!; wait $!; rm -rf "$0"';

export interface EngineOptions {
  /** Whether it runs in a PID namespace of its own. */
  readonly isContained?: boolean;
}

export class DockerEngine {
  readonly dir: string;
  readonly network: NetworkNamespace;
  readonly #dockerd: Live;

  private constructor(dir: string, network: NetworkNamespace, dockerd: Live) {
    this.dir = dir;
    this.network = network;
    this.#dockerd = dockerd;
  }

  /** Starts dockerd with a daemon.json; returns when it answers. */
  static async start(
    config: Readonly<Record<string, unknown>>,
    options: EngineOptions = {},
  ): Promise<DockerEngine> {
    const dir = await mkdtemp(join(tmpdir(), "berth-dockerd-"));
    await mkdir(join(dir, "config"));
    await writeFile(join(dir, "daemon.json"), JSON.stringify(config));
    const network = await NetworkNamespace.make();
    const at = (name: string): string => join(dir, name);
    const places = ["--data-root", at("data"), "--exec-root", at("run"), "--pidfile", at("pid")];
    const argv = ["dockerd", "--config-file", at("daemon.json"), "-H", `unix://${at("d.sock")}`, ...places];
    const wrap = options.isContained === true ? [...CONTAINED, UNTIL_INPUT_ENDS, dir] : ["unshare", "-m"];
    const dockerd = new Live(network.wrap([...wrap, ...argv]), { timeoutMs: 3_600_000 });
    await dockerd.prints("API listen on");
    return new DockerEngine(dir, network, dockerd);
  }

  get environment(): Record<string, string> {
    return {
      PATH: process.env["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin",
      HOME: this.dir,
      DOCKER_HOST: `unix://${join(this.dir, "d.sock")}`,
      DOCKER_CONFIG: join(this.dir, "config"),
    };
  }

  /** Runs the docker command, which has to succeed; returns what it printed. */
  async docker(...args: string[]): Promise<string> {
    const outcome = await run(["docker", ...args], { env: this.environment, timeoutMs: 300_000 });
    assert.equal(outcome.status, 0, `docker ${args.join(" ")}: ${outcome.stderr}`);
    return outcome.stdout.trim();
  }

  async close(): Promise<void> {
    const ids = (await this.docker("ps", "-aq")).split("\n").filter(Boolean);
    if (ids.length > 0) await this.docker("rm", "-f", ...ids);
    this.#dockerd.stdin.end();
    this.#dockerd.kill("SIGTERM");
    await this.#dockerd.ended;
    await this.network.close();
    await rm(this.dir, { recursive: true, force: true });
  }
}
