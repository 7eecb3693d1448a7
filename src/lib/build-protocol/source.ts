// The place in a Dockerfile that a failure is about, as BuildKit attaches it to a call's status: a JSON document among the
// status's details. Clients show those lines of the file.

import { Fault } from "../errors.ts";

const TYPE_URL = "github.com/moby/buildkit/errdefs.Source+json";
/** Lines shown before and after. */
const CONTEXT_LINES = 2;

export interface SourceExcerpt {
  readonly filename: string;
  readonly content: string;
  /** First and last line, counted from 1. */
  readonly start: number;
  readonly end: number;
}

/** Returns a fault like `fault` whose status tells of the lines, beside what it tells already. */
export function withSource(fault: Fault, source: SourceExcerpt): Fault {
  const document = {
    info: {
      filename: source.filename,
      data: Buffer.from(source.content).toString("base64"),
      language: "Dockerfile",
    },
    ranges: [{ start: { line: source.start }, end: { line: source.end } }],
  };
  const before = (fault.detail["details"] ?? []) as readonly unknown[];
  const details = [...before, { typeUrl: TYPE_URL, value: Buffer.from(JSON.stringify(document)) }];
  return new Fault(fault.kind, fault.message, {
    code: fault.code,
    detail: { ...fault.detail, details },
    cause: fault.cause,
  });
}

interface Document {
  readonly info?: { readonly filename?: string; readonly data?: string };
  readonly ranges?: readonly { readonly start?: { line?: number }; readonly end?: { line?: number } }[];
}

/** Returns the lines that a failed call's status tells of. */
export function sourcesOf(fault: Fault): SourceExcerpt[] {
  const details = (fault.detail["details"] ?? []) as readonly { typeUrl: string; value: Uint8Array }[];
  return details.flatMap(({ typeUrl, value }) => (typeUrl === TYPE_URL ? decodeExcerpt(value) : []));
}

function decodeExcerpt(value: Uint8Array): SourceExcerpt[] {
  try {
    const { info, ranges } = JSON.parse(Buffer.from(value).toString("utf8")) as Document;
    const [range] = ranges ?? [];
    const start = range?.start?.line ?? 0;
    if (start < 1) return [];
    return [
      {
        filename: info?.filename ?? "Dockerfile",
        content: Buffer.from(info?.data ?? "", "base64").toString("utf8"),
        start,
        end: range?.end?.line ?? start,
      },
    ];
  } catch {
    return []; // ignored: the failure is told without its lines
  }
}

/** Returns the lines as BuildKit's clients show them. `isMarked`: which of them it is about, all when absent. */
export function excerptOf(
  { filename, content, start, end }: SourceExcerpt,
  isMarked: (line: number) => boolean = (line) => line >= start && line <= end,
): string {
  const lines = content.split("\n");
  const first = Math.max(1, start - CONTEXT_LINES);
  const last = Math.min(lines.length, end + CONTEXT_LINES);
  const shown: string[] = [];
  for (let line = first; line <= last; line++) {
    const mark = isMarked(line) ? ">>>" : "   ";
    const text = lines[line - 1] ?? "";
    if (line === lines.length && text === "") continue;
    shown.push(`${String(line).padStart(4)} | ${mark} ${text}`.trimEnd());
  }
  return `${filename}:${start}\n--------------------\n${shown.join("\n")}\n--------------------\n`;
}
