// What `--check` found, as the document that clients with BuildKit read and print.
import { type LineRange, placesOf } from "../../../build/dockerfile/syntax-error.ts";
import type { CheckedDockerfile } from "../../../build/read-dockerfile.ts";

/** compat: each line is a range of its own. */
function rangesOf(places: readonly LineRange[]): { ranges?: unknown[] } {
  if (places.length === 0) return {};
  const lines = places.flatMap(({ start, end }) =>
    Array.from({ length: end - start + 1 }, (_, i) => start + i),
  );
  const sorted = [...new Set(lines)].sort((a, b) => a - b);
  return { ranges: sorted.map((line) => ({ start: { line }, end: { line } })) };
}

/** Returns the answer of the frontend's `lint` request, by the names of its parts. */
export function lintAnswer({ name, text, findings, failure }: CheckedDockerfile): Record<string, string> {
  const warnings = findings.map((f) => ({
    ruleName: f.rule,
    description: f.description,
    url: f.url,
    detail: f.message,
    location: rangesOf([{ start: f.line, end: f.endLine }]),
  }));
  const sources = [{ filename: name, data: Buffer.from(text).toString("base64"), language: "Dockerfile" }];
  const document = {
    warnings: warnings.length === 0 ? null : warnings,
    sources,
    ...(failure === undefined
      ? {}
      : {
          buildError: {
            message: failure.message,
            location: rangesOf(placesOf(failure)),
          },
        }),
  };
  return {
    "result.json": JSON.stringify(document, undefined, 2),
    "result.statuscode": warnings.length > 0 || failure !== undefined ? "1" : "0",
    version: "1.0.0",
  };
}
