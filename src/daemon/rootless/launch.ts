// `berth daemon` of an ordinary user, seen from outside: finds what it needs, makes or finds its namespaces, starts the daemon proper in
// them, where it is root, and stays to listen on published ports for it and to pass signals on. Ends with the status of the daemon;
// the namespaces stay while a container runs.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { contextPaths } from "../../cli/contexts/read.ts";
import { saveMeta } from "../../cli/contexts/write.ts";
import { Fault } from "../../lib/errors.ts";
import { runtimeDir } from "../../lib/user-dirs.ts";
import { DELEGATED_CGROUP } from "../../linux/cgroupfs/hierarchy.ts";
import { loadAccountFiles } from "../../linux/subid.ts";
import type { DaemonConfig } from "../config.ts";
import { unpackKeel } from "../../linux/keel-program.ts";
import { ownCommand } from "../own-command.ts";
import { takePidfile } from "../pidfile.ts";
import { ROOTLESS_UID } from "../places.ts";
import { claimCgroup } from "./cgroup.ts";
import { endHolder, findHolder, makeHolder, NAME_SERVER } from "./holder.ts";
import { INSIDE, type InsideSettings } from "./inside.ts";
import { PortServer } from "./ports.ts";
import { findNeeds, refusalHint, rootlessHost, type RootlessUser } from "./requirements.ts";

const CONTEXT = "rootless";
const SIGNALS = ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"] as const;

type RootlessConfig = Pick<DaemonConfig, "execRoot" | "usernsRemap" | "listen" | "engine">;

/** Runs a daemon of this user's; resolves to its exit status. Fails with unavailable, saying what is missing. */
export async function runRootless(
  config: RootlessConfig,
  user: RootlessUser,
  argv: readonly string[],
): Promise<number> {
  checkConfig(config);
  const { execRoot, listen } = config;
  if (runtimeDir(user.uid) === "")
    throw new Fault(
      "unavailable",
      "rootless mode: there is no directory for sockets: log in through PAM (loginctl enable-linger), or set XDG_RUNTIME_DIR to a directory that only you may enter",
      { code: "daemon.rootless" },
    );
  const cgroup = claimCgroup(); // before anything is started, which would be left behind in the old one
  const host = rootlessHost(loadAccountFiles());
  const needs = findNeeds(user, host);
  const dir = `${execRoot}.rootless`;
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  // Before anything is made or found: of two that start at once one goes on.
  using _only = takePidfile(join(dir, "daemon.pid"));
  const keelPath = unpackKeel(dir);
  const holder = findHolder(dir) ?? (await makeHolder(dir, keelPath, needs, () => refusalHint(host)));
  const settings: InsideSettings = {
    ports: join(dir, `ports-${process.pid}.sock`),
    gate: join(dir, `gate-${process.pid}.sock`),
    resolvConf: writeResolvConf(dir),
  };
  makeContext(join(homedir(), ".docker"), listen.hosts);
  const server = await PortServer.open(settings.ports, settings.gate);
  try {
    return await runInside(keelPath, holder, argv, { user, settings, cgroup });
  } finally {
    await server.close();
    for (const path of [settings.ports, settings.gate]) rmSync(path, { force: true });
    if (!hasContainers(execRoot)) {
      endHolder(dir);
      rmSync(dir, { recursive: true, force: true });
    }
  }
}

/** Refuses what is the machine's daemon's alone. */
function checkConfig({ usernsRemap, listen, engine }: RootlessConfig): void {
  if (usernsRemap !== "")
    throw new Fault(
      "invalidParameter",
      "userns-remap cannot be used in rootless mode: containers have a user namespace already",
      { code: "daemon.rootless" },
    );
  if (listen.hosts.some((host) => host.startsWith("fd://")))
    throw new Fault(
      "invalidParameter",
      "sockets of systemd (fd://) cannot be used in rootless mode: name a unix:// address",
      { code: "daemon.rootless" },
    );
  if (engine.metricsAddress !== "")
    throw new Fault(
      "invalidParameter",
      "metrics-addr cannot be used in rootless mode: nobody outside of the daemon's network could reach it",
      { code: "daemon.rootless" },
    );
}

async function runInside(
  keelPath: string,
  holder: number,
  argv: readonly string[],
  { user, settings, cgroup }: { user: RootlessUser; settings: InsideSettings; cgroup: string | undefined },
): Promise<number> {
  const env = {
    ...process.env,
    [ROOTLESS_UID]: String(user.uid),
    [INSIDE]: JSON.stringify(settings),
    [DELEGATED_CGROUP]: cgroup ?? "",
  };
  const command = [...ownCommand(), "daemon", ...argv];
  const child = spawn(keelPath, ["rootless", "enter", String(holder), "--", ...command], {
    stdio: "inherit",
    env,
  });
  passSignals(child);
  const [status] = (await once(child, "exit")) as [number | null];
  return status ?? 1;
}

function passSignals(child: ChildProcess): void {
  for (const signal of SIGNALS) process.on(signal, () => void child.kill(signal));
}

/** The resolver of the namespace's network in place of the host's, which may be on a loopback that cannot be reached from there. */
function writeResolvConf(dir: string): string {
  const path = join(dir, "resolv.conf");
  const others = existsSync("/etc/resolv.conf")
    ? readFileSync("/etc/resolv.conf", "utf8")
        .split("\n")
        .filter((line) => /^(search|domain|options)\s/.test(line))
    : [];
  writeFileSync(path, `${[...others, `nameserver ${NAME_SERVER}`].join("\n")}\n`);
  return path;
}

/** compat: as Docker's set-up tool does, for clients that do not find the socket by themselves. One that is there stays as it is. */
function makeContext(usual: string, hosts: readonly string[]): void {
  const configDir = process.env["DOCKER_CONFIG"] || usual;
  const Host = hosts.find((host) => host.startsWith("unix://"));
  if (Host === undefined || existsSync(contextPaths(configDir, CONTEXT).meta)) return;
  saveMeta(configDir, {
    Name: CONTEXT,
    Metadata: { Description: "Rootless mode" },
    Endpoints: { docker: { Host, SkipTLSVerify: false } },
  });
}

/** Each shim has a directory as long as it is there. */
function hasContainers(execRoot: string): boolean {
  try {
    return readdirSync(join(execRoot, "c")).length > 0;
  } catch {
    return false; // ignored: the daemon has removed its directory, since nothing runs
  }
}
