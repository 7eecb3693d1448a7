// Checks that CHANGELOG.md keeps the form of https://keepachangelog.com/en/1.1.0/ and describes the version of package.json.
import { readFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const text = readFileSync(join(root, "CHANGELOG.md"), "utf8");
const version = (JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string }).version;
const headings = [...text.matchAll(/^## \[(.+?)\](?: - (\d{4}-\d{2}-\d{2}))?$/gm)];
const problems: string[] = [];
if (!text.startsWith("# Changelog\n")) problems.push("the first line must be '# Changelog'");
if (headings[0]?.[1] !== "Unreleased" && headings[0]?.[1] !== version)
  problems.push(`the first entry must be [Unreleased] or [${version}]`);
for (const h of headings)
  if (h[1] !== "Unreleased" && h[2] === undefined) problems.push(`entry [${h[1]}] has no date`);
for (const m of text.matchAll(/^### (.+)$/gm))
  if (!["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"].includes(m[1] as string))
    problems.push(`unknown section '${m[1]}'`);
for (const p of problems) console.error(`CHANGELOG.md: ${p}`);
console.log(`changelog: ${headings.length} entries, ${problems.length} problems`);
process.exitCode = problems.length > 0 || headings.length === 0 ? 1 : 0;
