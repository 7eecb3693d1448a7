// The engines that the foreign clients are driven against: Berth, and the real Docker Engine (package docker.io) in the same run. When
// the run is ended in the middle, whatever they have started ends, too.
import { baseImageTar } from "../e2e/base-image.ts";
import { Live, run } from "../e2e/command.ts";
import { TestDaemon } from "../e2e/harness.ts";
import type { NetworkNamespace } from "../e2e/namespace.ts";
import { DockerEngine } from "../real/docker-engine.ts";

export interface Engine {
  readonly name: "Berth" | "Docker Engine";
  readonly network: NetworkNamespace;
  readonly environment: Readonly<Record<string, string>>;
  /** Removes what a client has left, so that its failure is not the next one's, too. */
  clean(): Promise<void>;
  close(): Promise<void>;
}

/** Waits for the end of its input, which is the test's: then removes the containers that are left and ends the daemon $1 of directory $2. */
const GUARD = `trap '' HUP INT TERM; cat >/dev/null; exec >/dev/null 2>&1
ids=$("$0" ps -aq) && [ -n "$ids" ] && "$0" rm -f $ids
kill -TERM "$1" && while kill -0 "$1"; do sleep 0.1; done
rm -rf "$2"`;

/** Starts Berth with the image busybox. */
export async function startBerth(): Promise<Engine> {
  const daemon = await TestDaemon.start({ lifeMs: 1_800_000 });
  const guard = new Live(["setsid", "sh", "-c", GUARD, "docker", String(daemon.pid), daemon.dir], {
    env: daemon.environment,
    timeoutMs: 1_800_000,
  });
  return {
    name: "Berth",
    network: daemon.network,
    environment: daemon.environment,
    clean: async () => {
      await daemon.removeContainers();
      await daemon.berth("network", "prune", "-f");
    },
    close: async () => {
      guard.kill("SIGKILL");
      await daemon.close();
    },
  };
}

/** Starts the Docker Engine with the image busybox. */
export async function startDocker(): Promise<Engine> {
  const engine = await DockerEngine.start({}, { isContained: true });
  const env = { ...engine.environment, DOCKER_BUILDKIT: "0", DOCKER_CLI_HINTS: "false" };
  await run(["docker", "import", "-", "busybox"], { env, input: await baseImageTar() });
  return {
    name: "Docker Engine",
    network: engine.network,
    environment: env,
    clean: async () => {
      const ids = (await engine.docker("ps", "-aq")).split("\n").filter(Boolean);
      if (ids.length > 0) await engine.docker("rm", "-f", ...ids);
      await engine.docker("network", "prune", "-f");
    },
    close: () => engine.close(),
  };
}
