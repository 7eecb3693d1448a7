// What a Dockerfile offers, as the documents that clients with BuildKit read and print: the requests `outline` and `targets` of its
// frontend. Fields and texts are BuildKit's (frontend/subrequests).
import type { DescribedDockerfile } from "../../../build/read-dockerfile.ts";
import { descriptionOf, type OfferedInput } from "../../../build/graph/describe.ts";
import type { LineRange } from "../../../build/dockerfile/syntax-error.ts";
import { layoutTabs } from "../../../lib/term/tabwriter.ts";

type Answer = Readonly<Record<string, string>>;

const location = ({ start, end }: LineRange) => ({
  location: { ranges: [{ start: { line: start }, end: { line: end } }] },
});

const ifAny = (name: string, value: string | boolean | readonly unknown[]): object =>
  value === "" || value === false || (Array.isArray(value) && value.length === 0) ? {} : { [name]: value };

function answer(document: object, text: string): Answer {
  return { "result.json": JSON.stringify(document, undefined, 2), "result.txt": text, version: "1.0.0" };
}

/** Lays out a table, its heading first. */
function tableOf(rows: readonly (readonly string[])[], padding: number): string {
  return layoutTabs(rows.map((row) => `${row.join("\t")}\n`).join(""), { minWidth: 0, padding });
}

function inputTable(heading: string, inputs: readonly OfferedInput[]): string {
  if (inputs.length === 0) return "";
  const rows = inputs.map(({ name, isRequired }) => [name, isRequired ? "true" : ""]);
  return `${tableOf([[heading, "REQUIRED"], ...rows], 3)}\n`;
}

const inputDocuments = (inputs: readonly OfferedInput[]): object[] =>
  inputs.map(({ name, isRequired, lines }) => ({
    name,
    ...ifAny("required", isRequired),
    ...location(lines),
  }));

/** Returns the answer of the request `outline`: what the target takes. */
export function outlineAnswer({ text, target }: DescribedDockerfile): Answer {
  const { stage, description, args, secrets, agents } = target;
  const { name } = stage.from;
  const title = [["TARGET:", name === "" ? "(default)" : name]];
  if (description !== "") title.push(["DESCRIPTION:", description]);
  const argRows = args.map((arg) => [arg.name, arg.value ?? "", arg.description]);
  const parts = [
    name === "" && description === "" ? "" : `${tableOf(title, 1)}\n`,
    args.length === 0 ? "" : `${tableOf([["BUILD ARG", "VALUE", "DESCRIPTION"], ...argRows], 3)}\n`,
    inputTable("SECRET", secrets),
    inputTable("SSH", agents),
  ];
  const document = {
    ...ifAny("name", name),
    ...ifAny("description", description),
    ...ifAny(
      "args",
      args.map((arg) => ({
        name: arg.name,
        ...ifAny("description", arg.description),
        ...ifAny("value", arg.value ?? ""),
        ...location(arg.lines),
      })),
    ),
    ...ifAny("secrets", inputDocuments(secrets)),
    ...ifAny("ssh", inputDocuments(agents)),
    sources: [Buffer.from(text).toString("base64")],
  };
  return answer(document, parts.join(""));
}

/** Returns the answer of the request `targets`: the stages. */
export function targetsAnswer({ text, file }: DescribedDockerfile): Answer {
  const last = file.stages.length - 1;
  const targets = file.stages.map(({ from, index }) => ({
    ...ifAny("name", from.name),
    ...ifAny("default", index === last),
    ...ifAny("description", descriptionOf(from.comments, from.name)),
    ...ifAny("base", from.base),
    ...ifAny("platform", from.platform),
    ...location(from.lines),
  }));
  const rows = file.stages.map(({ from, index }) => {
    const shown = [from.name, index === last ? "(default)" : ""].filter((word) => word !== "").join(" ");
    return [shown, descriptionOf(from.comments, from.name)];
  });
  const document = { targets, sources: [Buffer.from(text).toString("base64")] };
  return answer(document, tableOf([["TARGET", "DESCRIPTION"], ...rows], 1));
}

/** The requests that are answered; names, versions and descriptions are BuildKit's. */
const REQUESTS = [
  ["frontend.lint", "Lint a Dockerfile"],
  ["frontend.outline", "List all parameters current build target supports"],
  ["frontend.subrequests.describe", "List available subrequest types"],
  ["frontend.targets", "List all targets current build supports"],
] as const;

/** Returns the answer of the request `subrequests.describe`: which requests there are. */
export function describeAnswer(): Answer {
  const document = REQUESTS.map(([name, description]) => ({
    name,
    version: "1.0.0",
    type: "rpc",
    description,
    opts: null,
    inputs: null,
    metadata: [{ name: "result.json" }, { name: "result.txt" }],
    refs: null,
  }));
  const rows = REQUESTS.map(([name, description]) => [name.replace("frontend.", ""), "1.0.0", description]);
  return answer(document, tableOf([["NAME", "VERSION", "DESCRIPTION"], ...rows], 1));
}
