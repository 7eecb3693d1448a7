// Asking criu one thing through keel. criu is a service here (`criu swrk`), as for every other engine: what its command line cannot do is to hand
// a restored terminal over, and to say where it is so that hooks run.

import { accessSync, constants, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { Fault, SysError } from "../../../lib/errors.ts";
import { askCriu, type CriuCall } from "../../../linux/criu.ts";
import { asBytes, asList, type Reply } from "../../../linux/wire.ts";
import type { Op } from "../../../linux/ops.ts";
import { runOps } from "../life/keel-run.ts";
import type { Logger } from "../logger.ts";
import type { ImagePlace } from "./flags.ts";
import { criuAnswer, criuRequest, REQUEST } from "./messages.ts";

/** Since 3.16 all that the flags need is there; it is of 2021. */
const LEAST = [3, 16] as const;

/** Returns criu's path. Throws Fault notImplemented where it is not installed. */
export function findCriu(what: string): string {
  for (const dir of (process.env["PATH"] ?? "").split(delimiter)) {
    const path = join(dir, "criu");
    if (path.startsWith("/") && isExecutable(path)) return path;
  }
  throw new Fault(
    "notImplemented",
    `${what} needs the program criu, which is not installed: install the package criu`,
    { code: "runtime.no-criu" },
  );
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false; // ignored: then it is in another directory
  }
}

/** Returns the call for a request about the images. */
export function imageCall(
  program: string,
  { imageDir, workDir }: ImagePlace,
): Pick<CriuCall, "program" | "env" | "opened"> {
  return { program, env: environment(), opened: [imageDir, ...(workDir === "" ? [] : [workDir])] };
}

/** criu starts programs itself (iptables, ip, tar). */
const environment = () => Object.entries(process.env).map(([name, value]) => `${name}=${value ?? ""}`);

/** What keel yields for the operation. */
export function answerOf(reply: Reply | undefined): { answer: Uint8Array; rest: Reply[] } {
  const [answer, ...rest] = asList(reply);
  return { answer: asBytes(answer), rest };
}

/** Checks that criu is new enough and, where asked, that it and the kernel can do that. Throws Fault. */
export function checkCriu(
  program: string,
  dir: string,
  needs: { memoryTracking?: true; lazyPages?: true },
): void {
  const ask = (request: Uint8Array) => {
    const op: Op = askCriu({ program, env: environment(), opened: [], request });
    return criuAnswer.decode(answerOf(runOps([op], dir).results.at(-1)).answer);
  };
  const { major = 0, minor = 0 } = ask(criuRequest.encode({ type: REQUEST.version })).version ?? {};
  if (major < LEAST[0] || (major === LEAST[0] && minor < LEAST[1]))
    throw missing(`${program} is version ${major}.${minor}: ${LEAST.join(".")} or newer is needed`);
  if (!needs.memoryTracking && !needs.lazyPages) return;
  const { features = {} } = ask(criuRequest.encode({ type: REQUEST.featureCheck, features: needs }));
  if (needs.memoryTracking && !features.memoryTracking)
    throw missing("--pre-dump needs a kernel that tracks changed memory (CONFIG_MEM_SOFT_DIRTY)");
  if (needs.lazyPages && !features.lazyPages)
    throw missing("--lazy-pages needs a kernel and a criu with userfaultfd");
}

function missing(message: string): Fault {
  return new Fault("notImplemented", message, { code: "runtime.criu-feature" });
}

/** What criu finds that the machine or the container's cgroup does not let it do, tries every time, and does without. */
const PROBES = /Can't setup RLIMIT_NOFILE|tun: Unable to create tun/;

/** How many lines of the log before an error are quoted with it. */
const CONTEXT = 4;
const MAX_QUOTED = 30;

/** Says of a failure of criu's what its log says, which is quoted as warnings. Returns what to throw. */
export function criuFault(
  error: unknown,
  what: string,
  place: ImagePlace & { logFile: string; log: Logger },
): unknown {
  if (!(error instanceof SysError) || error.op !== "criu") return error;
  const path = join(place.workDir || place.imageDir, place.logFile);
  const { quoted, first } = errorsIn(readIfThere(path));
  if (quoted.length > 0) place.log.warn(`--- ${path}:`);
  for (const line of quoted) place.log.warn(line);
  return new Fault("system", `criu failed to ${what}: ${first ?? error.text} (see ${path})`, {
    code: "runtime.criu-failed",
    cause: error,
  });
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // ignored: criu has failed before it began a log
  }
}

/** Returns the last lines with errors in them, each with those before it and its number, and the first error's words. */
export function errorsIn(log: string): { quoted: string[]; first: string | undefined } {
  const lines = log.split("\n");
  const isError = (line: string) => line.includes("Error") && !PROBES.test(line);
  const shown = new Set<number>();
  for (const [at, line] of lines.entries())
    if (isError(line)) for (let i = Math.max(0, at - CONTEXT); i <= at; i++) shown.add(i);
  const quoted = [...shown].sort((a, b) => a - b).map((at) => `${at + 1}: ${lines[at]}`);
  const first = lines
    .find(isError)
    ?.replace(/^.*?Error \([^)]*\): */, "")
    .trim();
  return { quoted: quoted.slice(-MAX_QUOTED), first };
}
