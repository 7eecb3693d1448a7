// `--build-context NAME=VALUE`: names that stand for an image or for files, before stages and images of the same name are
// looked for.

import type { StagedDockerfile } from "../dockerfile/stages.ts";
import { familiarString, parseReference, withDefaultTag } from "../../oci/reference.ts";

export type NamedContext =
  | { readonly kind: "image"; readonly reference: string }
  /** Files, under the name that the contexts know them by. */
  | { readonly kind: "files"; readonly name: string };

const IMAGE_SCHEME = "docker-image://";
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
