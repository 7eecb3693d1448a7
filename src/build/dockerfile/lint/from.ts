// FROM: what its arguments come to, and the platform that it asks for.

import { parsePlatform } from "../../../oci/platform.ts";
import { parseReference } from "../../../oci/reference.ts";
import type { FromInstruction } from "../instructions.ts";
import type { StagedDockerfile } from "../stages.ts";
import { findNearest } from "../suggest.ts";
import type { LintReport } from "./report.ts";
import { type Expanded, expandKnown, type Values } from "./values.ts";

/** Whether a text is an image name as it is, without variables. */
export function isReference(text: string): boolean {
  try {
    return parseReference(text).path !== "";
  } catch {
    return false; // ignored: that is the answer
  }
}

/** Returns the values in force after ARG in front of the first FROM; `given` are the user's. */
export function metaValues(
  { metaArgs, escape }: StagedDockerfile,
  known: Values,
  given: Readonly<Record<string, string | null>>,
): Values {
  const values = new Map(known);
  for (const { name, value } of metaArgs.flatMap(({ args }) => args)) {
    const own = Object.hasOwn(given, name) ? given[name] : undefined;
    const text = own ?? (value === undefined ? undefined : expandKnown(value, values, { escape })?.text);
    if (text !== undefined) values.set(name, text);
  }
  return values;
}

/** Looks for images that are named by arguments, and by none where nobody gives them. */
export function checkDefaults(file: StagedDockerfile, known: Values, report: LintReport): void {
  const values = metaValues(file, known, {});
  for (const { from } of file.stages) {
    const base = expandKnown(from.base, values, { escape: file.escape });
    if (base === undefined) return;
    if (isReference(base.text)) continue;
    const message = `Default value for ARG ${from.base} results in empty or invalid base image name`;
    report.add("InvalidDefaultArgInFrom", message, from);
  }
}

/** Looks at one FROM; `declared` are the names that it may use, also those without a value. */
export function checkFrom(
  from: FromInstruction,
  values: Values,
  options: { declared: readonly string[]; escape: string; report: LintReport },
): void {
  const { declared, escape, report } = options;
  const checkNames = ({ unmatched }: Expanded): void => {
    for (const name of unmatched) {
      if (declared.includes(name)) continue;
      const near = findNearest(name, declared);
      const hint = near === undefined ? "" : ` (did you mean ${near}?)`;
      report.addTo("UndefinedArgInFrom", `FROM argument '${name}' is not declared${hint}`, from);
    }
  };
  const base = expandKnown(from.base, values, { escape });
  if (base !== undefined) checkNames(base);
  const platform = from.platform === "" ? undefined : expandKnown(from.platform, values, { escape });
  if (platform === undefined) return;
  checkNames(platform);
  checkPlatform(from, platform, values, report);
}

function checkPlatform(from: FromInstruction, platform: Expanded, values: Values, report: LintReport): void {
  const { text, matched, unmatched } = platform;
  const isTargets = matched.has("TARGETPLATFORM") && text === values.get("TARGETPLATFORM");
  if (matched.size === 1 && unmatched.size === 0 && isTargets)
    report.addTo(
      "RedundantTargetPlatform",
      `Setting platform to predefined ${from.platform} in FROM is redundant as this is the default behavior`,
      from,
    );
  if (matched.size + unmatched.size === 0 && !isNamedBy(text, from.name))
    report.addTo(
      "FromPlatformFlagConstDisallowed",
      `FROM --platform flag should not use constant value ${JSON.stringify(text)}`,
      from,
    );
}

/** Whether a stage's name tells of its platform, or the platform is none. */
function isNamedBy(platform: string, name: string): boolean {
  try {
    const { os, architecture } = parsePlatform(platform);
    return name.includes(os) || name.includes(architecture);
  } catch {
    return true; // ignored: the build reports it
  }
}
