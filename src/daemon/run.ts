// `berth daemon`: configuration, pid file, wiring, listening, signals. Ends with status 0 after SIGTERM or SIGINT.
import { writeFileSync } from "node:fs";
import { messageOf } from "../lib/errors.ts";
import { loadDaemonConfig, reloadConfig } from "./config.ts";
import type { EngineConfig } from "./engine-config.ts";
import { createLog, type Log } from "./log.ts";
import { listenForHost, loadInsideSettings } from "./rootless/inside.ts";
import { remapExecutable } from "./memory/own-pages.ts";
import { runRootless } from "./rootless/launch.ts";
import { takePidfile } from "./pidfile.ts";
import { shrinkWhenQuiet } from "./memory/quiet.ts";
import { withRemap } from "./userns-remap.ts";
import { openDaemon } from "./wiring.ts";

/** bun: how much later than by default functions are compiled: never while the daemon starts, which loads no compiler (3 MB) for what runs once; then as the Makefile says. */
const JIT_POLICY = { start: 1000, service: 25 };
/** What only the start needed is given back when the first clients have been served. */
const SHRINK_AFTER_MS = 2000;

/** Runs the daemon until a signal ends it; the process exits. */
export async function runDaemon(argv: readonly string[]): Promise<never> {
  Bun.unsafe.setJITPolicy(JIT_POLICY.start);
  try {
    process.exit(await serve(argv));
  } catch (error) {
    process.stderr.write(`failed to start daemon: ${messageOf(error)}\n`);
    process.exit(1);
  }
}

async function serve(argv: readonly string[]): Promise<number> {
  const config = loadDaemonConfig(argv);
  if ("notice" in config) {
    process.stdout.write(config.notice);
    return 0;
  }
  const user = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  if (user.uid !== 0) return runRootless(config, user, argv);
  const rootless = loadInsideSettings();
  process.umask(0o022);
  let { logLevel } = config;
  const log = createLog(() => logLevel, config.engine.logFormat);
  applyToProcess(config.engine, log);
  const ended = Promise.withResolvers<number>();
  // From the beginning: a signal that comes during the start ends the daemon in order as soon as it stands.
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => ended.resolve(0));
  using _pidfile = takePidfile(config.pidfile);
  const daemon = await openDaemon({ ...withRemap(config), rootless }, log, () => {
    log("error", "keel agent has ended unexpectedly; the daemon ends, containers go on");
    ended.resolve(1);
  });
  try {
    for (const host of config.listen.hosts) await listenForHost(daemon.server, host, config.listen, rootless);
    for (const { host, group, policy } of config.access.sockets) {
      const access = { ...config.listen, ...(group === undefined ? {} : { group }) };
      await listenForHost(daemon.server, host, { ...access, policy: daemon.policyOf(policy) }, rootless);
    }
  } catch (error) {
    await daemon.close();
    throw error;
  }
  process.on("SIGHUP", () => {
    try {
      const settings = reloadConfig(argv);
      logLevel = settings.logLevel;
      daemon.reload(settings);
      log("info", `configuration reloaded: live-restore ${daemon.isLiveRestore}`);
    } catch (error) {
      log("error", `configuration not reloaded: ${messageOf(error)}`);
    }
  });
  Bun.unsafe.setJITPolicy(JIT_POLICY.service);
  setTimeout(() => {
    Bun.shrink();
    remapExecutable();
  }, SHRINK_AFTER_MS).unref();
  shrinkWhenQuiet();
  const status = await ended.promise;
  log("info", "shutting down");
  try {
    await daemon.close();
  } catch (error) {
    log("error", `what was to be done at the end was not: ${messageOf(error)}`);
    return 1;
  }
  return status;
}

/** What the settings change of this process, which its children inherit. */
function applyToProcess({ proxies, oomScoreAdjust, warnings }: EngineConfig, log: Log): void {
  for (const [name, value] of Object.entries(proxies)) process.env[name] = value;
  if (oomScoreAdjust !== 0) {
    try {
      writeFileSync("/proc/self/oom_score_adj", String(oomScoreAdjust));
    } catch (error) {
      log("warn", `oom-score-adjust ${oomScoreAdjust}: ${messageOf(error)}`);
    }
  }
  for (const warning of warnings) log("warn", warning);
}
