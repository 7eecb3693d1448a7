// `--build-context NAME=VALUE`: names that stand for an image or for files, before stages and images of the same name are
// looked for.

import { Fault } from "../../lib/errors.ts";
import { type Digest, isDigest } from "../../oci/digest.ts";
import type { StagedDockerfile } from "../dockerfile/stages.ts";
import { familiarString, parseReference, withDefaultTag } from "../../oci/reference.ts";

export type NamedContext =
  /** `oci-layout://…` where the client has it in a directory of its own. */
  | { readonly kind: "image"; readonly reference: string }
  /** Files, under the name that the contexts know them by. */
  | { readonly kind: "files"; readonly name: string };

const IMAGE_SCHEME = "docker-image://";
const LAYOUT_SCHEME = "oci-layout://";
/** Names that are always what they are. */
const RESERVED = new Set(["scratch", "context", ""]);

/** Returns how an image is called when it is written in full, `text` itself where it is no image's name. */
function fullName(text: string): string {
  try {
    return familiarString(withDefaultTag(parseReference(text)));
  } catch {
    return text; // ignored: what is no reference can still be a name
  }
}

/** An image in a layout of the client's. */
export interface LayoutReference {
  readonly store: string;
  readonly digest: Digest;
}

/** Reads `oci-layout://STORE[:TAG]@DIGEST`; undefined for other references. Throws Fault invalidParameter for one without a digest. */
export function parseLayoutReference(reference: string): LayoutReference | undefined {
  if (!reference.startsWith(LAYOUT_SCHEME)) return undefined;
  const [, store = "", digest = ""] =
    /^([^:@]+)(?::[^@]*)?@(.+)$/.exec(reference.slice(LAYOUT_SCHEME.length)) ?? [];
  if (store !== "" && isDigest(digest)) return { store, digest };
  throw new Fault(
    "invalidParameter",
    `invalid OCI layout reference ${JSON.stringify(reference)}: want STORE@DIGEST`,
    {
      code: "build.layout",
    },
  );
}

export class NamedContexts {
  /** Values by name. */
  private readonly values: ReadonlyMap<string, string>;

  constructor(given: Readonly<Record<string, string>> = {}) {
    this.values = new Map(Object.entries(given).flatMap(([name, value]) => [[name.toLowerCase(), value]]));
  }

  /** Finds what a name of FROM, --from or a mount stands for; undefined when the command line says nothing of it. */
  find(name: string): NamedContext | undefined {
    const wanted = name.toLowerCase();
    if (RESERVED.has(wanted)) return undefined;
    const known = this.values.has(wanted) ? wanted : this.findImage(wanted);
    if (known === undefined) return undefined;
    const value = this.values.get(known) as string;
    if (value.startsWith(LAYOUT_SCHEME)) return { kind: "image", reference: value };
    return value.startsWith(IMAGE_SCHEME)
      ? { kind: "image", reference: value.slice(IMAGE_SCHEME.length) }
      : { kind: "files", name: known };
  }

  /** `--build-context alpine:latest=…` also means `FROM alpine`. */
  private findImage(wanted: string): string | undefined {
    const full = fullName(wanted);
    return [...this.values.keys()].find((key) => fullName(key) === full);
  }

  /** Returns the Dockerfile with every stage that has an image's name of its own replaced by that image. */
  replaceStages(file: StagedDockerfile): StagedDockerfile {
    if (this.values.size === 0) return file;
    const stages = file.stages.map((stage) =>
      stage.from.name !== "" && this.find(stage.from.name)?.kind === "image"
        ? { ...stage, instructions: [] }
        : stage,
    );
    return { ...file, stages };
  }
}
