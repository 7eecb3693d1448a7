// What `--check` found, as the document that clients with BuildKit read and print.
import type { CheckedDockerfile } from "../../../build/read-dockerfile.ts";

/** compat: each line is a range of its own. */
function rangesOf(start: unknown, end: unknown): { ranges?: unknown[] } {
  if (typeof start !== "number" || typeof end !== "number") return {};
  const lines = Array.from({ length: end - start + 1 }, (_, i) => ({ line: start + i }));
  return { ranges: lines.map((line) => ({ start: line, end: line })) };
}

/** Returns the answer of the frontend's `lint` request, by the names of its parts. */
export function lintAnswer({ name, text, findings, failure }: CheckedDockerfile): Record<string, string> {
  const warnings = findings.map((f) => ({
    ruleName: f.rule,
    description: f.description,
    url: f.url,
    detail: f.message,
    location: rangesOf(f.line, f.endLine),
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
            location: rangesOf(failure.detail["line"], failure.detail["endLine"]),
          },
        }),
  };
  return {
    "result.json": JSON.stringify(document, undefined, 2),
    "result.statuscode": warnings.length > 0 || failure !== undefined ? "1" : "0",
    version: "1.0.0",
  };
}
