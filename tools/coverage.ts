// Writes docs/coverage.md: every command and flag of Docker's client (docker-commands.json, read off docker 28.2's help pages), every
// flag of dockerd (docker-daemon.json: its key of daemon.json, and a value that is more than nothing) and every operation of the Engine API (test/e2e/testdata/engine-api.json), with what this program has of them and a test that tries it.
// `--check` fails when the page is not current. What is missing shows; nothing here is kept by hand.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { ALL_OPERATIONS } from "../src/api/operations/all.ts";
import type { Command } from "../src/cli/command.ts";
import { type VerbEntry, verbs } from "../src/cli/commands/table.ts";
import { DAEMON_FLAGS, loadDaemonConfig } from "../src/daemon/config.ts";
import { cases } from "../src/cli/testdata/cases.ts";

const root = join(import.meta.dirname, "..");
const page = join(root, "docs/coverage.md");
const read = (path: string): string => readFileSync(join(root, path), "utf8");

interface Described {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly tag: string;
}

const docker = JSON.parse(read("tools/docker-commands.json")) as Record<string, string[]>;
const dockerd = JSON.parse(read("tools/docker-daemon.json")) as Record<
  string,
  [key: string | null, sample: string | null]
>;
const api = (JSON.parse(read("test/e2e/testdata/engine-api.json")) as { operations: Described[] }).operations;
const tests = execFileSync("git", ["ls-files", "test/e2e/*.test.ts"], { cwd: root, encoding: "utf8" })
  .trim()
  .split("\n")
  .map((path) => ({ name: basename(path), text: read(path) }));
/** Tests of something else that use many commands. */
const PASSING_BY = ["access.test.ts", "api.test.ts", "bad-input.test.ts"];
const DESCRIPTION_TEST = "api-description.test.ts";
/** An engine that is not part of a swarm says so, in Docker's words. */
const ELSEWHERE = ["Swarm", "Node", "Service", "Task", "Secret", "Config"];

/** Tests that the page names now, by the first cell of their row: they stay as long as they fit, so that a new test changes nothing. */
const named = new Map(
  (existsSync(page) ? readFileSync(page, "utf8") : "").split("\n").flatMap((line) => {
    const cells = line.split(" | ");
    return cells.length < 3
      ? []
      : [[cells[0]?.replace(/^\| /, "") ?? "", cells.at(-1)?.replace(/ \|$/, "") ?? ""]];
  }),
);

/** Of the tests that fit the one that is named, else the first. */
function choose(row: string, fitting: readonly { readonly name: string }[]): string | undefined {
  const before = named.get(row)?.split(", ") ?? [];
  return (fitting.find(({ name }) => before.includes(name)) ?? fitting[0])?.name;
}

/** An end-to-end test that has the words as arguments, and that of Docker's own output. */
function testOfCommand(row: string, names: readonly string[][]): string {
  const isGolden = cases.some(({ args }) =>
    names.some((words) => words.every((word, i) => args[i] === word)),
  );
  const quoted = names.map((words) => words.map((word) => `"${word}"`).join(", "));
  const isUsed = (text: string): boolean =>
    quoted.some((words) => ["[", "(", ", "].some((before) => text.includes(before + words)));
  const own = tests.filter(({ name }) => names.some(([word]) => name === `${word}.test.ts`));
  const fitting = tests.filter(({ name, text }) => !PASSING_BY.includes(name) && isUsed(text));
  const found = choose(row, [...fitting, ...own]);
  return [...(isGolden ? ["goldens"] : []), ...(found === undefined ? [] : [found])].join(", ") || "-";
}

interface CommandRow {
  readonly names: readonly string[];
  readonly state: string;
  readonly missing: readonly string[];
  readonly added: readonly string[];
  readonly test: string;
}

const dockersName = (entry: VerbEntry): string | undefined => {
  const full = entry.noun === "" ? entry.name : `${entry.noun} ${entry.name}`;
  return [full, entry.top ?? full].find((name) => name in docker);
};

/** What Docker's help pages do not list. */
function stateOfUnlisted({ noun, name, hidden }: VerbEntry): string {
  if (noun === "buildx" || name === "compose") return "done, as Docker's plugin";
  return hidden === true ? "done, hidden in Docker's help" : "Berth's own";
}

async function commandRow(entry: VerbEntry): Promise<CommandRow> {
  const { command } = (await entry.load()) as { command: Command };
  const full = entry.noun === "" ? entry.name : `${entry.noun} ${entry.name}`;
  const names = [full, ...(entry.top === undefined || entry.top === full ? [] : [entry.top])];
  const theirs = dockersName(entry);
  const isRefused = command.isRaw === true && entry.name !== "compose";
  const flags = Object.keys(command.flags);
  const wanted = theirs === undefined ? [] : (docker[theirs] ?? []);
  return {
    names,
    state: isRefused ? "refused, with the reason" : theirs === undefined ? stateOfUnlisted(entry) : "done",
    missing: isRefused ? [] : wanted.filter((flag) => !flags.includes(flag)),
    added: isRefused || theirs === undefined ? [] : flags.filter((flag) => !wanted.includes(flag)),
    test: isRefused
      ? "outside-swarm.test.ts, goldens"
      : testOfCommand(
          names.map((n) => `\`${n}\``).join(", "),
          names.map((name) => name.split(" ")),
        ),
  };
}

const keyOf = ({ method, path }: { method: string; path: string }): string =>
  `${method} ${path.replace(/\{[^}]*\}/g, "{}")}`;

function operationRows(): string[][] {
  const ours = new Map(ALL_OPERATIONS.map((o) => [keyOf(o), o]));
  const theirs = new Set(api.map(keyOf));
  const described = api.map((o) => {
    const own = ours.get(keyOf(o));
    const isElsewhere = ELSEWHERE.includes(o.tag);
    const state = own === undefined ? "missing" : isElsewhere ? "503, not part of a swarm" : "done";
    const tested = isElsewhere ? "outside-swarm.test.ts" : DESCRIPTION_TEST;
    const test = own === undefined ? "-" : tested;
    return [o.name, o.method, o.path, own?.since ?? "", state, test];
  });
  const added = ALL_OPERATIONS.filter((o) => !theirs.has(keyOf(o))).map((o) => [
    o.name,
    o.method,
    o.path,
    "",
    "Berth's own",
    testOfOperation(o.name, o.path),
  ]);
  return [...described, ...added];
}

/** An end-to-end test in which the path stands, whatever its parameters. */
function testOfOperation(row: string, path: string): string {
  const pattern = new RegExp(path.replace(/[.]/g, "\\$&").replace(/\{\w+\}/g, "[^/\"'`]+"));
  return (
    choose(
      row,
      tests.filter(({ text }) => pattern.test(text)),
    ) ?? "by its command"
  );
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/** What comes of a flag of dockerd's, found by trying it. */
function stateOfDaemonFlag(flag: string, sample: string | null): string {
  if (!(flag in DAEMON_FLAGS)) return "missing";
  if (sample === null) return "taken";
  try {
    const config = loadDaemonConfig(["--config-file", "/dev/null", `--${flag}=${sample}`]);
    const [warning] = "notice" in config ? [] : config.engine.warnings;
    return warning === undefined ? "taken" : `taken, and the log says: ${warning}`;
  } catch (error) {
    return `refused: ${(error as Error).message}`;
  }
}

const daemonRows = Object.entries(dockerd).map(([flag, [key, sample]]) => [
  `\`--${flag}\``,
  key === null ? "" : `\`${key}\``,
  sample ?? "",
  stateOfDaemonFlag(flag, sample),
]);

const code = (flags: readonly string[]): string => flags.map((flag) => `\`--${flag}\``).join(" ");
const rows = await Promise.all(verbs().map(commandRow));
const have = new Set(rows.flatMap((row) => row.names));
/** A refused command takes every word behind it. */
const isBelowRefused = (name: string): boolean =>
  rows.some((row) => row.state.startsWith("refused") && row.names.some((n) => name.startsWith(`${n} `)));
const lacking = Object.keys(docker).filter((name) => !have.has(name) && !isBelowRefused(name));
const operations = operationRows();
const count = (state: string): number => operations.filter((row) => row[4] === state).length;
const text = `# What there is of Docker's command line and API

Written by \`tools/coverage.ts\` from the command table, the API's declarations, the help pages of docker 28.2 and the description of Engine API 1.56; \`make check\` says
when it is not current. \`goldens\` are \`src/cli/testdata\`: the same command line prints what Docker's client prints, byte for byte. Flags that are taken and refused on this
system are in [run-flags.md](run-flags.md).

## Commands

${rows.filter((r) => r.state === "done").length} of Docker's commands are done, ${rows.filter((r) => r.state.startsWith("refused")).length} refused with the reason, ${lacking.length === 0 ? "none" : lacking.map((n) => `\`${n}\``).join(", ")} unknown; ${rows.filter((r) => r.state === "Berth's own").length} are Berth's own.

${table(
  [
    "command",
    "state",
    "Docker's flags that are missing",
    "further flags (ours, or not in Docker's help)",
    "test",
  ],
  rows.map((r) => [
    r.names.map((n) => `\`${n}\``).join(", "),
    r.state,
    code(r.missing),
    code(r.added),
    r.test,
  ]),
)}

## Flags that both have

${table(
  ["command", "flags"],
  verbs().flatMap((entry, i) => {
    const theirs = dockersName(entry);
    const row = rows[i];
    if (theirs === undefined || row?.state !== "done") return [];
    const shared = (docker[theirs] ?? []).filter((flag) => !row.missing.includes(flag));
    return shared.length === 0 ? [] : [[`\`${theirs}\``, code(shared)]];
  }),
)}

## Flags of the daemon

dockerd 29's flags and keys of daemon.json, each tried with a value. What is taken works as there; what is taken because it changes nothing is in [daemon.md](daemon.md).

${table(["flag", "key", "tried with", "state"], daemonRows)}

Berth's own: ${code(Object.keys(DAEMON_FLAGS).filter((flag) => !(flag in dockerd)))}

## Operations of the API

${count("done")} operations are done, ${count("missing")} missing; the others are those of swarms.

${table(["operation", "method", "path", "since", "state", "test"], operations)}
`;

if (process.argv.includes("--check")) {
  const isCurrent = readFileSync(page, "utf8") === text;
  console.log(
    `coverage: ${rows.length} commands, ${operations.length} operations${isCurrent ? ", up to date" : ""}`,
  );
  if (!isCurrent) console.error("docs/coverage.md is not current: run tools/bun tools/coverage.ts");
  process.exitCode = isCurrent ? 0 : 1;
} else writeFileSync(page, text);
