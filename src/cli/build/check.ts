// `build --check`: prints what the daemon's checks found, as Docker's client does.

import { excerptOf } from "../../lib/build-protocol/source.ts";

interface Place {
  readonly ranges?: readonly { readonly start: { line: number }; readonly end: { line: number } }[];
}

interface Warning {
  readonly ruleName: string;
  readonly url?: string;
  readonly detail: string;
  readonly location?: Place;
}

interface Found {
  readonly warnings?: readonly Warning[] | null;
  readonly sources?: readonly { readonly filename: string; readonly data: string }[];
  readonly buildError?: { readonly message: string; readonly location?: Place };
}

const lineOf = ({ location }: Warning): number => location?.ranges?.[0]?.start.line ?? 0;

/** Returns the lines of the Dockerfile that a place is. */
function shown(place: Place | undefined, { sources = [] }: Found): string {
  const ranges = place?.ranges ?? [];
  const [first, ...more] = ranges;
  if (first === undefined) return "";
  const [source] = sources;
  const content = Buffer.from(source?.data ?? "", "base64").toString("utf8");
  const { end } = more.at(-1) ?? first;
  const filename = source?.filename ?? "Dockerfile";
  return excerptOf({ filename, content, start: first.start.line, end: end.line }, (line) =>
    ranges.some((range) => line >= range.start.line && line <= range.end.line),
  );
}

/** What is printed of the checks, and the exit code: 1 when something was found. */
export interface DescribedChecks {
  readonly text: string;
  /** Why the file cannot be built. */
  readonly error?: string;
  readonly exitCode: number;
}

export function describeChecks(json: string): DescribedChecks {
  const found = JSON.parse(json) as Found;
  const warnings = (found.warnings ?? []).toSorted((a, b) => lineOf(a) - lineOf(b));
  const { buildError } = found;
  const error =
    buildError === undefined
      ? {}
      : { error: `ERROR: ${buildError.message}\n${shown(buildError.location, found)}` };
  const isFine = warnings.length === 0 && buildError === undefined;
  if (isFine) return { text: "Check complete, no warnings found.\n", exitCode: 0 };
  if (warnings.length === 0) return { text: "", ...error, exitCode: 1 };
  const plural = warnings.length === 1 ? "1 warning has" : `${warnings.length} warnings have`;
  const blocks = warnings.map(({ ruleName, url, detail, location }) => {
    const title = `WARNING: ${ruleName}${url === undefined ? "" : ` - ${url}`}\n${detail}\n`;
    return `${title}${shown(location, found)}`;
  });
  return { text: `Check complete, ${plural} been found!\n\n${blocks.join("\n")}`, ...error, exitCode: 1 };
}
