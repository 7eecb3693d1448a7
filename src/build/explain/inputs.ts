// What decides about a step's result, taken apart into named pieces, and what has changed of it since the step was last done. Values
// are compared only, never shown nor kept but as digests: a build argument may be a password.

import { createHash } from "node:crypto";

/** Values by what they are called, such as `file src/app.js` or `the command`. */
export type StepInputs = Readonly<Record<string, string>>;

/** The root that a step starts from; what changed it is told by the step that did. */
export const BASE = "the root it starts from";
/** A source as a whole; told only where its files are not known one by one. */
const SOURCE = /^source /;
const MAX_TOLD = 8;

/** Returns the inputs with a digest in place of each value. */
export function digested(inputs: StepInputs): StepInputs {
  const digests = Object.entries(inputs).map(([name, value]) => [
    name,
    createHash("sha256").update(value).digest("hex").slice(0, 16),
  ]);
  return Object.fromEntries(digests) as StepInputs;
}

/** Returns each variable as a piece of its own. */
export function environmentInputs(env: readonly string[]): StepInputs {
  return Object.fromEntries(
    env.map((entry) => {
      const equals = entry.indexOf("=");
      return [`variable ${entry.slice(0, equals)}`, entry.slice(equals + 1)];
    }),
  );
}

/** Returns what differs, in words. */
export function changesOf(now: StepInputs, before: StepInputs): string[] {
  const names = [...new Set([...Object.keys(now), ...Object.keys(before)])];
  const changed = names.filter((name) => name !== BASE && now[name] !== before[name]);
  const hasFiles = changed.some((name) => name.startsWith("file "));
  const told = changed.filter((name) => !hasFiles || !SOURCE.test(name));
  return told.map((name) => {
    if (before[name] === undefined) return `${name} is new`;
    return now[name] === undefined ? `${name} is gone` : `${name} changed`;
  });
}

/** Joins what is told; of many only the first. */
export function listed(changes: readonly string[]): string {
  const more = changes.length - MAX_TOLD;
  return more <= 0 ? changes.join("; ") : `${changes.slice(0, MAX_TOLD).join("; ")}; and ${more} more`;
}
