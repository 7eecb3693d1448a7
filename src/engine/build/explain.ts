// Failures of builds in the words that clients with BuildKit know.
import { explainForBuildKit } from "../../build/export/explain.ts";
import { placesOf } from "../../build/dockerfile/syntax-error.ts";
import { withSource } from "../../lib/build-protocol/source.ts";
import { Fault } from "../../lib/errors.ts";

/** Returns a build's failure as a call's: in BuildKit's words, with the lines of the Dockerfile that it is about. */
export function faultForBuildKit(fault: Fault): Fault {
  const { code, detail, cause } = fault;
  // compat: failures have no code of their own, which clients would put before the words.
  const kind = fault.kind === "cancelled" ? fault.kind : "system";
  const said = new Fault(kind, explainForBuildKit(fault), { code, detail, cause });
  const { dockerfile } = detail as { dockerfile?: { name: string; text: string } };
  if (dockerfile === undefined) return said;
  const file = { filename: dockerfile.name, content: dockerfile.text };
  // compat: clients show them in this order, the first place last
  return placesOf(fault).reduceRight((now, place) => withSource(now, { ...file, ...place }), said);
}
