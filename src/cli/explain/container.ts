// Why a container is as it is: what its record, its events, the kernel's counters and its log say, as a chain of causes.
// Pure over the answers of the API.
import { constants } from "node:os";
import type { ContainerInspect } from "../../api/schemas/container.ts";
import type { ContainerFacts } from "../../api/schemas/facts.ts";
import type { EventMessage } from "../../api/schemas/system.ts";
import { formatNano, parseNano } from "../../lib/time.ts";
import { humanDuration } from "../../lib/units/duration.ts";
import { binarySize } from "../../lib/units/size.ts";
import { type Explanation, Findings, listed, since } from "./explanation.ts";
import { CRASHES, nameOfSignal } from "./signals.ts";
import { remedyFor } from "./start-errors.ts";

export interface ContainerAnswers {
  readonly inspect: ContainerInspect;
  /** Of this container, oldest first. */
  readonly events: readonly EventMessage[];
  /** The last lines of its log; undefined where its driver lets nobody read. */
  readonly log: readonly string[] | undefined;
  /** undefined: the daemon is a Docker Engine. */
  readonly facts: ContainerFacts | undefined;
}

export interface Asked {
  readonly program: string;
  readonly nowMs: number;
}

const { SIGKILL, SIGTERM } = constants.signals;

/** Explains the state of a container. */
export function explainContainer(answers: ContainerAnswers, asked: Asked): Explanation {
  const { inspect, facts } = answers;
  const { State } = inspect;
  const name = inspect.Name.replace(/^\//, "");
  const found = new Findings();
  const verdict = verdictOf(answers, asked, name, found);
  healthFacts(inspect, found);
  restartFacts(inspect, found);
  logFacts(answers, found);
  if (facts === undefined && State.Running)
    found.unknown.push("who listens and what the kernel counted: a Docker Engine's API does not tell");
  const kills = facts?.Memory?.OomKills ?? 0;
  if (kills > 0 && State.Running) {
    found.facts.push(
      `the kernel has killed ${kills} of its processes for want of memory, not its first one: it may have ${limitText(facts?.Memory?.LimitBytes ?? 0)}`,
    );
    found.advice.push(`give it more memory: \`${asked.program} update --memory SIZE ${name}\``);
  }
  return found.explain(`container ${name}`, verdict);
}

function verdictOf(answers: ContainerAnswers, asked: Asked, name: string, found: Findings): string {
  const { State } = answers.inspect;
  const { program, nowMs } = asked;
  switch (State.Status) {
    case "running":
      found.facts.push(`process ${State.Pid} on the daemon's host`);
      return `runs since ${since(State.StartedAt, nowMs)}`;
    case "paused":
      found.because.push(`somebody paused it${at(last(answers.events, "pause"))}`);
      found.advice.push(`\`${program} unpause ${name}\` lets it go on`);
      return `is paused: its processes get no processor time`;
    case "removing":
      return "is being removed";
    case "dead":
      found.because.push(State.Error || "its files could not be removed");
      found.advice.push(`\`${program} rm -f ${name}\` tries again`);
      return "is left of a removal that failed";
    case "created":
      if (State.Error !== "") return failedStart(answers, asked, found);
      found.advice.push(`\`${program} start ${name}\``);
      return "was created and never started";
    default:
      if (State.Error !== "") return failedStart(answers, asked, found);
      return exited(answers, asked, name, found);
  }
}

function failedStart({ inspect }: ContainerAnswers, { program }: Asked, found: Findings): string {
  const { Error: error } = inspect.State;
  found.because.push(error);
  found.advice.push(
    remedyFor(error, program) ?? `mend what the error names, then \`${program} start\` it again`,
  );
  return `could not be started (exit code ${inspect.State.ExitCode})`;
}

/** Where the latest run ends and begins among the events. */
function eventsOfRun(events: readonly EventMessage[]): readonly EventMessage[] {
  const start = events.findLastIndex((e) => e.Action === "start");
  return start < 0 ? events : events.slice(start);
}

function exited(answers: ContainerAnswers, asked: Asked, name: string, found: Findings): string {
  const { inspect, events } = answers;
  const { State } = inspect;
  const run = eventsOfRun(events);
  if (events.length === 0)
    found.unknown.push("what was asked of it before its end: the daemon has no events of it any more");
  causesOfExit(inspect, run, asked, name, found);
  const ran = (parseNano(State.FinishedAt) ?? 0n) - (parseNano(State.StartedAt) ?? 0n);
  const lived = ran > 0n ? `, ${humanDuration(Number(ran)).toLowerCase()} after its start` : "";
  const state = State.Status === "restarting" ? "waits for its restart; it ended" : "exited";
  return `${state} with code ${State.ExitCode} ${since(State.FinishedAt, asked.nowMs)} ago${lived}`;
}

function causesOfExit(
  inspect: ContainerInspect,
  run: readonly EventMessage[],
  { program }: Asked,
  name: string,
  found: Findings,
): void {
  const { ExitCode, OOMKilled } = inspect.State;
  if (OOMKilled) {
    found.because.push(
      `the kernel killed a process of it for want of memory (OOM): it may have ${limitText(inspect.HostConfig.Memory)}`,
    );
    found.advice.push(
      `give it more memory (\`${program} update --memory SIZE ${name}\`, then start it), or make the program use less`,
    );
    return;
  }
  const kills = run.filter((e) => e.Action === "kill");
  const signals = kills.map((e) => Number(e.Actor.Attributes["signal"]));
  const ended = ExitCode > 128 ? ExitCode - 128 : 0;
  if (kills.length > 0 && (ended === 0 || signals.includes(ended))) {
    askedToEnd(inspect, run, kills, found);
    return;
  }
  if (ended > 0 && ended < 65) {
    killedOtherwise(ended, found);
    return;
  }
  found.because.push(...ownEnd(inspect, { program, name }, found));
}

function askedToEnd(
  inspect: ContainerInspect,
  run: readonly EventMessage[],
  kills: readonly EventMessage[],
  found: Findings,
): void {
  const byHealth = run.some((e) => e.Action === "health_status: unhealthy");
  const isStop = last(run, "stop") !== undefined || kills.length > 1;
  const names = kills.map((e) => `${nameOfSignal(Number(e.Actor.Attributes["signal"]))}${at(e)}`);
  found.because.push(
    `it was sent ${listed(names)} through the daemon's API${isStop ? " (stop)" : " (kill)"}`,
  );
  if (byHealth)
    found.because.push("its health check had failed, which --health-on-failure may answer with a stop");
  const signals = kills.map((e) => Number(e.Actor.Attributes["signal"]));
  if (isStop && signals.length > 1 && signals.at(-1) === SIGKILL) {
    found.because.push(
      `it did not end within ${inspect.Config.StopTimeout ?? 10} seconds of ${nameOfSignal(signals[0] ?? SIGTERM)}`,
    );
    found.advice.push(
      "let the program handle the stop signal: the exec form of CMD (a shell in between passes no signals on), --init, STOPSIGNAL, or a longer --stop-timeout",
    );
  }
  found.unknown.push("which user sent it: the daemon's audit log says so where one is configured");
}

function killedOtherwise(signal: number, found: Findings): void {
  const name = nameOfSignal(signal);
  const crash = CRASHES.get(signal);
  if (crash !== undefined) {
    found.because.push(`${name} ended it: ${crash}`);
    found.advice.push("look at what it did last; `ulimit -c` and --ulimit core keep a core file");
    return;
  }
  found.because.push(
    `${name} ended it, or its program says ${128 + signal} to the same effect; nobody asked the daemon to send one`,
  );
  if (signal === SIGKILL)
    found.unknown.push(
      "who sent SIGKILL: another program of the host, one in the container, or the kernel when the whole host was short of memory (`dmesg` says)",
    );
}

/** The program ended by itself. */
function ownEnd(
  inspect: ContainerInspect,
  { program, name }: { program: string; name: string },
  found: Findings,
): string[] {
  const { ExitCode } = inspect.State;
  const command = [inspect.Path, ...inspect.Args].join(" ");
  if (ExitCode === 0) {
    const isShell = /(^|\/)(ba|da|z|a)?sh$/.test(inspect.Path) && inspect.Args.length === 0;
    if (isShell && !inspect.Config.OpenStdin) {
      found.advice.push(`a shell without input ends at once: \`${program} run -it\`, or give it a command`);
      return [`its program, ${command}, came to the end of its input`];
    }
    found.advice.push("a container lives as long as its first process: have that one stay in the foreground");
    return [`its program, ${command}, was done and reported no error`];
  }
  if (ExitCode === 127) {
    found.advice.push(
      `check the commands that ${command} runs: a shell says 127 for one that it does not find`,
    );
    return [`its program, ${command}, did not find a command`];
  }
  if (ExitCode === 126) {
    found.advice.push(`a shell says 126 for a file that may not be executed: chmod +x it in the image`);
    return [`its program, ${command}, could not execute a command`];
  }
  found.advice.push(`its log says why: \`${program} logs ${name}\``);
  return [`its program, ${command}, reported an error of its own (${ExitCode})`];
}

function healthFacts({ State: { Health } }: ContainerInspect, found: Findings): void {
  if (Health === undefined || Health.Status === "none") return;
  const failed = (Health.Log ?? []).at(-1);
  if (Health.Status === "healthy") found.facts.push("its health check succeeds");
  else if (Health.Status === "starting") found.facts.push("its health check has not succeeded yet");
  else {
    const said =
      failed === undefined
        ? ""
        : `, the last with ${failed.ExitCode}: ${failed.Output.trim() || "no output"}`;
    found.facts.push(`its health check has failed ${Health.FailingStreak} times in a row${said}`);
    found.advice.push("mend what the health check complains about, or the check");
  }
}

function restartFacts({ HostConfig, RestartCount, State }: ContainerInspect, found: Findings): void {
  const policy = HostConfig.RestartPolicy.Name;
  if (RestartCount > 0) found.facts.push(`it was restarted ${RestartCount} times by its policy (${policy})`);
  if (State.Status !== "exited") return;
  if (policy === "" || policy === "no") found.facts.push("nothing starts it again: it has no restart policy");
  else if (policy === "on-failure" && State.ExitCode === 0)
    found.facts.push("its restart policy, on-failure, does not start again what ended without error");
  else
    found.facts.push(
      `its restart policy is ${policy}: a user's stop, or its limit of attempts, keeps it from starting again`,
    );
}

function logFacts({ inspect, log }: ContainerAnswers, found: Findings): void {
  if (log === undefined)
    found.unknown.push(
      `what it wrote: its log driver, ${inspect.HostConfig.LogConfig.Type}, lets nobody read`,
    );
  else found.log.push(...log);
  const status = inspect.LogStatus;
  if (status !== undefined && status.Error !== "")
    found.facts.push(`its log is not delivered: ${status.Error} (${status.Pending} lines wait)`);
}

const last = (events: readonly EventMessage[], action: string): EventMessage | undefined =>
  events.findLast((e) => e.Action === action);

/** ` at 12:00:00`, nothing for an event that is not there. */
function at(event: EventMessage | undefined): string {
  if (event === undefined) return "";
  return ` at ${formatNano(BigInt(event.timeNano)).replace(/^.*T(\d\d:\d\d:\d\d).*$/, "$1")}`;
}

const limitText = (bytes: number): string =>
  bytes > 0 ? binarySize(bytes) : "as much as the host has (no limit is set)";
