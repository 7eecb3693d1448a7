// `build --check`: prints what the daemon's checks found, as Docker's client does.

import { excerptOf } from "../../lib/build-protocol/source.ts";

interface Found {
  readonly warnings?: readonly {
    readonly ruleName: string;
    readonly url?: string;
    readonly detail: string;
    readonly location?: {
      readonly ranges?: readonly { readonly start: { line: number }; readonly end: { line: number } }[];
    };
  }[];
  readonly sources?: readonly { readonly filename: string; readonly data: string }[];
}

/** Returns the text, and the exit code: 1 when something was found. */
export function describeChecks(json: string): { text: string; exitCode: number } {
  const { warnings = [], sources = [] } = JSON.parse(json) as Found;
  if (warnings.length === 0) return { text: "Check complete, no warnings found.\n", exitCode: 0 };
  const plural = warnings.length === 1 ? "1 warning has" : `${warnings.length} warnings have`;
  const [source] = sources;
  const content = Buffer.from(source?.data ?? "", "base64").toString("utf8");
  const blocks = warnings.map(({ ruleName, url, detail, location }) => {
    const [range] = location?.ranges ?? [];
    const title = `WARNING: ${ruleName}${url === undefined ? "" : ` - ${url}`}\n${detail}\n`;
    if (range === undefined) return title;
    const { start, end } = range;
    const excerpt = excerptOf({
      filename: source?.filename ?? "Dockerfile",
      content,
      start: start.line,
      end: end.line,
    });
    return `${title}${excerpt}`;
  });
  return { text: `Check complete, ${plural} been found!\n\n${blocks.join("\n")}`, exitCode: 1 };
}
