// `--attest`, `--provenance` and `--sbom` as options of BuildKit's frontend.

import { parseCsv } from "../../lib/flags/spec.ts";
import { goBool } from "../../lib/units/go-scalar.ts";
import { complain } from "../failure.ts";
import type { BuildFlags } from "./flags.ts";

/** `true`, `false` or fields. */
function valueOf(text: string): string {
  const isWanted = goBool(text);
  if (isWanted === null) return text;
  return isWanted ? "" : "disabled=true";
}

function parseAttest(text: string): [type: string, value: string] {
  const fields = parseCsv(text);
  const type = fields.find((field) => field.startsWith("type="))?.slice("type=".length) ?? "";
  if (type === "") throw complain("attestation type not specified");
  if (type !== "provenance" && type !== "sbom")
    throw complain(`attestation type ${JSON.stringify(type)} is not known`);
  return [type, fields.filter((field) => !field.startsWith("type=")).join(",")];
}

/** Returns the options; the short flags say the last word. Throws a Fault for a type that is not known. */
export function attestAttrs(
  flags: Pick<BuildFlags, "attest" | "provenance" | "sbom">,
): Record<string, string> {
  const wanted = new Map(flags.attest.map(parseAttest));
  if (flags.provenance !== "") wanted.set("provenance", valueOf(flags.provenance));
  if (flags.sbom !== "") wanted.set("sbom", valueOf(flags.sbom));
  const given = [...wanted].filter(([, value]) => value !== "disabled=true");
  return Object.fromEntries(given.map(([type, value]) => [`attest:${type}`, value]));
}
