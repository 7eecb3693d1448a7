// What a project is called: -p, COMPOSE_PROJECT_NAME, `name:` in its files, or its directory.

import { basename } from "node:path";
import { Fault } from "../../lib/errors.ts";
import { child, type Node, printScalar } from "../tree/node.ts";
import { substitute } from "./substitute.ts";

export interface NameOptions {
  /** Of -p; empty when not given. */
  readonly given: string;
  readonly documents: readonly Node[];
  readonly directory: string;
  readonly environment: ReadonlyMap<string, string>;
}

/** Returns the project's name. Throws a Fault for a given name that is not allowed. */
export function projectName({ given, documents, directory, environment }: NameOptions): string {
  const wanted = given || environment.get("COMPOSE_PROJECT_NAME") || "";
  if (wanted !== "") {
    if (normalizeName(wanted) !== wanted) throw invalidName(wanted);
    return wanted;
  }
  let name = "";
  for (const document of documents) {
    const node = child(document, "name");
    if (node?.kind === "scalar" && node.value !== null) name = printScalar(node);
  }
  if (name !== "")
    name = normalizeName(substitute(name, { lookup: (variable) => environment.get(variable) }));
  return name === "" ? normalizeName(basename(directory)) : name;
}

/** Returns the name with what is not allowed in it left out. */
export function normalizeName(name: string): string {
  return name
    .toLowerCase()
    .replace(/[^a-z0-9_-]/g, "")
    .replace(/^[_-]+/, "");
}

/** The failure of a name that is not allowed. */
export function invalidName(name: string): Fault {
  return new Fault(
    "invalidParameter",
    `invalid project name ${JSON.stringify(name)}: must consist only of lowercase alphanumeric characters, hyphens, ` +
      "and underscores as well as start with a letter or number",
    { code: "compose.name" },
  );
}
