// Compiled programs and resolved profiles, kept: a daemon starts many containers with few profiles. Found by identity
// first (the same object again costs nothing), then by content. Bounded; oldest out first.

import type { OciSeccomp } from "../spec/oci.ts";
import { compileSeccomp, type SeccompProgram } from "./compile.ts";
import { type DockerSeccompProfile, resolveProfile, type SeccompTarget } from "./profile.ts";

const MAX_KEPT = 64;

const byObject = new WeakMap<OciSeccomp, SeccompProgram>();
const byContent = new Map<string, SeccompProgram>();
let store: ProgramStore | undefined;
const resolved = new WeakMap<DockerSeccompProfile, Map<string, OciSeccomp | undefined>>();

/** Programs beyond the life of this process. Neither call throws. */
export interface ProgramStore {
  load(key: string): SeccompProgram | undefined;
  save(key: string, program: SeccompProgram): void;
}

/** From now on programs are looked for there before they are compiled. */
export function keepProgramsIn(programs: ProgramStore): void {
  store = programs;
}

/** As compileSeccomp, remembered. The object must not be changed afterwards. */
export function cachedSeccomp(seccomp: OciSeccomp, arch: string): SeccompProgram {
  const known = byObject.get(seccomp);
  if (known) return known;
  const key = `${arch} ${textOf(seccomp)}`;
  const program = byContent.get(key) ?? fromStore(key, () => compileSeccomp(seccomp, arch));
  keep(byContent, key, program);
  byObject.set(seccomp, program);
  return program;
}

function fromStore(key: string, compile: () => SeccompProgram): SeccompProgram {
  const kept = store?.load(key);
  if (kept) return kept;
  const program = compile();
  store?.save(key, program);
  return program;
}

/** Nearly all are without bigints, and fast. */
function textOf(seccomp: OciSeccomp): string {
  try {
    return JSON.stringify(seccomp);
  } catch {
    return JSON.stringify(seccomp, (_, v) => (typeof v === "bigint" ? `${v}n` : v));
  }
}

/** As resolveProfile, remembered by profile object, machine and capabilities; callers share the result. */
export function cachedResolve(profile: DockerSeccompProfile, target: SeccompTarget): OciSeccomp | undefined {
  let results = resolved.get(profile);
  if (results === undefined) {
    results = new Map();
    resolved.set(profile, results);
  }
  const key = `${target.arch} ${target.kernel} ${[...target.capabilities].sort().join(" ")}`;
  if (results.has(key)) return results.get(key);
  const result = resolveProfile(profile, target);
  keep(results, key, result);
  return result;
}

function keep<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > MAX_KEPT && oldest !== undefined) map.delete(oldest);
}
