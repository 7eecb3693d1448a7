// What whoever listens to a container's filter is told of it (runtime-spec config-linux.md "The Container Process State"). The number
// that the process has on the host is known only when it is there, so the text comes in parts, between which the shim puts it.

import { OCI_VERSION } from "../spec/defaults.ts";
import type { OciSeccomp } from "../spec/oci.ts";

/** Returns the parts of the JSON text that goes along with the listener. */
export function listenerMessage(
  seccomp: Pick<OciSeccomp, "listenerMetadata">,
  container: { id: string; bundle: string; annotations: Readonly<Record<string, string>> },
): [beforePid: string, between: string, afterPid: string] {
  const { id, bundle, annotations } = container;
  const hasAnnotations = Object.keys(annotations).length > 0;
  const process = { ociVersion: OCI_VERSION, fds: ["seccompFd"] };
  const metadata = { metadata: seccomp.listenerMetadata ?? "" };
  const state = { ociVersion: OCI_VERSION, id, status: "creating" };
  const rest = { bundle, ...(hasAnnotations ? { annotations } : {}) };
  return [
    `${opened(process)},"pid":`,
    `,${inside(metadata)},"state":${opened(state)},"pid":`,
    `,${inside(rest)}}}`,
  ];
}

/** The JSON text of an object without its last brace, and without both. */
const opened = (object: object) => JSON.stringify(object).slice(0, -1);
const inside = (object: object) => opened(object).slice(1);
