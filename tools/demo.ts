// `make demo`: the main job on real input. Starts a private daemon, gets a Debian base image, builds a Dockerfile with
// apt-get in it, serves its page through a published port, looks at the container, removes everything, and checks that
// the host is as it was. The daemon's data stays in build/demo, so that the next run uses image and build cache.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { hostSnapshot, leaksBetween } from "./leaks.ts";

const ROOT = dirname(import.meta.dirname);
const BERTH = join(ROOT, "dist/berth");
const HOME = join(ROOT, "build/demo");
const SOCKET = join(HOME, "berth.sock");
const LOG = join(HOME, "daemon.log");
const BASE = "debian:bookworm";
const CGROUP_PARENT = "/berth-demo";
const began = Date.now();

const DOCKERFILE = `FROM debian:bookworm
RUN apt-get update && apt-get install -y --no-install-recommends nginx && rm -rf /var/lib/apt/lists/*
EXPOSE 80
COPY index.html /var/www/html/index.html
CMD ["nginx", "-g", "daemon off;"]
`;
const PAGE = "<!doctype html>\n<title>Berth</title>\n<h1>Served out of a container</h1>\n";

function say(text: string): void {
  console.log(`\n\x1b[1m==> ${text}\x1b[0m  (${((Date.now() - began) / 1000).toFixed(1)} s)`);
}

function fail(text: string): never {
  throw new Error(text);
}

/** Runs berth with its output on the terminal; fails when it fails. */
function berth(...args: string[]): void {
  console.log(`$ berth ${args.join(" ")}`);
  const { status } = spawnSync(BERTH, args, { stdio: ["ignore", "inherit", "inherit"], env: environment });
  if (status !== 0) fail(`berth ${args[0]} ended with exit status ${status}`);
}

function succeeds(...args: string[]): boolean {
  return spawnSync(BERTH, args, { stdio: "ignore", env: environment }).status === 0;
}

const environment = { ...process.env, DOCKER_HOST: `unix://${SOCKET}`, DOCKER_CONFIG: join(HOME, "config") };

async function startDaemon(): Promise<() => Promise<void>> {
  const args = ["daemon", "--data-root", join(HOME, "data"), "--exec-root", join(HOME, "run")];
  const daemon = spawn(
    BERTH,
    [...args, "--pidfile", join(HOME, "pid"), "-H", `unix://${SOCKET}`, "--cgroup-parent", CGROUP_PARENT],
    {
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  const log: Buffer[] = [];
  for (const stream of [daemon.stdout, daemon.stderr]) stream.on("data", (b: Buffer) => log.push(b));
  const ended = new Promise<number | null>((resolve) => daemon.once("exit", (code) => resolve(code)));
  const ready = new Promise<void>((resolve) => {
    const probe = (): void => {
      if (Buffer.concat(log).includes("API listen on")) resolve();
    };
    for (const stream of [daemon.stdout, daemon.stderr]) stream.on("data", probe);
  });
  const outcome = await Promise.race([
    ready.then(() => "ready"),
    ended.then((code) => `ended with exit status ${code}`),
  ]);
  if (outcome !== "ready") fail(`the daemon ${outcome}:\n${Buffer.concat(log)}`);
  return async () => {
    daemon.kill("SIGTERM");
    const code = await ended;
    writeFileSync(LOG, Buffer.concat(log));
    if (code !== 0) fail(`the daemon ended with exit status ${code}; its log is ${LOG}`);
  };
}

/** Gets the base image: from a registry where one answers, otherwise made with debootstrap. */
function getBaseImage(): void {
  if (succeeds("image", "inspect", BASE)) return say(`base image ${BASE} is here already`);
  say(`pulling ${BASE}`);
  if (spawnSync(BERTH, ["pull", BASE], { stdio: "inherit", env: environment }).status === 0) return;
  say(`no registry answers: making ${BASE} with debootstrap (a minute or two)`);
  const tree = join(HOME, "bookworm");
  if (!existsSync(join(tree, "complete"))) {
    rmSync(tree, { recursive: true, force: true });
    // In a mount namespace of its own: what debootstrap mounts in the tree is gone when it ends.
    const command = ["--mount", "debootstrap", "--variant=minbase", "bookworm", join(tree, "root")];
    const made = spawnSync("unshare", command, { stdio: ["ignore", "inherit", "inherit"] });
    if (made.status !== 0) fail(`debootstrap ended with exit status ${made.status}`);
    rmSync(join(tree, "root/var/cache/apt/archives"), { recursive: true, force: true });
    mkdirSync(join(tree, "root/var/cache/apt/archives/partial"), { recursive: true });
    writeFileSync(join(tree, "complete"), "");
  }
  const tar = `tar -C '${join(tree, "root")}' --numeric-owner --one-file-system -c . | '${BERTH}' import -c 'CMD ["bash"]' - ${BASE}`;
  console.log(`$ tar -C … -c . | berth import -c 'CMD ["bash"]' - ${BASE}`);
  const { status } = spawnSync("sh", ["-c", tar], {
    stdio: ["ignore", "inherit", "inherit"],
    env: environment,
  });
  if (status !== 0) fail(`berth import ended with exit status ${status}`);
  rmSync(tree, { recursive: true, force: true });
}

/** Returns the wanted port when nobody listens there, else one that is free. */
async function freePort(wanted: number): Promise<number> {
  for (const port of [wanted, 0]) {
    const server = createServer();
    const bound = await new Promise<number | null>((resolve) => {
      server.once("error", () => resolve(null));
      server.listen(port, "0.0.0.0", () => resolve((server.address() as { port: number }).port));
    });
    if (bound !== null) await new Promise((resolve) => server.close(resolve));
    if (bound !== null) return bound;
  }
  return fail("no free TCP port");
}

async function fetchPage(url: string): Promise<string> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await (await fetch(url, { signal: AbortSignal.timeout(2000) })).text();
    } catch (error) {
      if (attempt === 50) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100)); // nginx tells nobody when it begins to listen
    }
  }
}

async function main(): Promise<void> {
  if (process.getuid?.() !== 0) fail("make demo needs root: it makes namespaces, mounts and a bridge");
  mkdirSync(join(HOME, "context"), { recursive: true });
  writeFileSync(join(HOME, "context/Dockerfile"), DOCKERFILE);
  writeFileSync(join(HOME, "context/index.html"), PAGE);
  const before = hostSnapshot();
  const forwarding = readFileSync("/proc/sys/net/ipv4/ip_forward", "utf8");

  say("starting a private daemon");
  const stopDaemon = await startDaemon();
  try {
    berth(
      "version",
      "--format",
      "client {{.Client.Version}}, server {{.Server.Version}}, API {{.Server.APIVersion}}",
    );
    succeeds("rm", "-f", "web"); // left by a run that was interrupted
    getBaseImage();

    say("building the image");
    berth("build", "-t", "demo-web", join(HOME, "context"));

    const port = await freePort(8080);
    say(`running it with port ${port} published`);
    berth("run", "-d", "-p", `${port}:80`, "--name", "web", "demo-web");
    const page = await fetchPage(`http://127.0.0.1:${port}/`);
    console.log(`$ curl http://127.0.0.1:${port}/\n${page.trimEnd()}`);
    if (page !== PAGE) fail("the page is not the one that was copied into the image");

    say("looking at it");
    berth("ps");
    berth("logs", "web");
    berth("exec", "web", "nginx", "-v");
    berth("top", "web");

    say("stopping and removing it");
    berth("stop", "web");
    berth("rm", "web");
  } finally {
    say("stopping the daemon");
    await stopDaemon();
  }
  // Other engines on this machine may start and stop containers meanwhile: of processes and cgroups only our own count.
  const isOurs = (line: string): boolean =>
    !/^(process|cgroup) /.test(line) || line.includes(HOME) || line.includes(CGROUP_PARENT);
  const left = leaksBetween(before, hostSnapshot()).filter(isOurs);
  if (left.length > 0) fail(`left behind on the host:\n  ${left.join("\n  ")}`);
  console.log("nothing is left behind: no process, mount, bridge, rule or cgroup");
  if (forwarding.trim() === "0") console.log("(net.ipv4.ip_forward is 1 now, as after any container engine)");
  say("done");
}

try {
  await main();
} catch (error) {
  console.error(`\ndemo: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
