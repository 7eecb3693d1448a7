// What `--check` found, as the document that clients with BuildKit read and print.
import type { CheckedDockerfile } from "../../../build/read-dockerfile.ts";

/** Returns the answer of the frontend's `lint` request, by the names of its parts. */
export function lintAnswer({ name, text, findings }: CheckedDockerfile): Record<string, string> {
  const warnings = findings.map((f) => ({
    ruleName: f.rule,
    description: f.description,
    url: f.url,
    detail: f.message,
    location: { ranges: [{ start: { line: f.line }, end: { line: f.endLine } }] },
  }));
  const sources = [{ filename: name, language: "Dockerfile", data: Buffer.from(text).toString("base64") }];
  return {
    "result.json": JSON.stringify({ warnings, sources }),
    "result.statuscode": findings.length > 0 ? "1" : "0",
    version: "1.0.0",
  };
}
