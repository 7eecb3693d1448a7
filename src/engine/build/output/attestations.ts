// `--provenance` and `--sbom`: what is to be said of an image beside the image itself, read from BuildKit's options, and made as
// in-toto statements when the image is there.
import { scanPackages } from "../../../build/attest/packages.ts";
import {
  PROVENANCE_PREDICATES,
  type ProvenanceOptions,
  provenanceOf,
} from "../../../build/attest/provenance.ts";
import { SPDX_PREDICATE, spdxDocument } from "../../../build/attest/spdx.ts";
import { Fault } from "../../../lib/errors.ts";
import type { Digest } from "../../../oci/digest.ts";
import { formatPlatform, hostPlatform } from "../../../oci/platform.ts";
import { familiarName, type Reference } from "../../../oci/reference.ts";
import type { LayerStore } from "../../../storage/layer/store.ts";
import type { ImageRecord } from "../../image/record.ts";
import type { Attestation } from "./documents.ts";
import type { BuiltImage } from "./outcome.ts";

type Attrs = Readonly<Record<string, string>>;

export interface AttestWishes {
  readonly provenance: ProvenanceOptions | undefined;
  readonly hasSbom: boolean;
  /** The user asked, so that an output which cannot carry them is a mistake. */
  readonly isExplicit: boolean;
}

const STATEMENT = "https://in-toto.io/Statement/v1";

function fieldsOf(text: string): Map<string, string> {
  const fields = text.split(",").filter((field) => field !== "");
  return new Map(fields.map((field) => field.split("=", 2) as [string, string]));
}

function provenanceWish(text: string | undefined): ProvenanceOptions | undefined {
  if (text === undefined) return undefined;
  const fields = fieldsOf(text);
  if (fields.get("disabled") === "true") return undefined;
  const mode = fields.get("mode") ?? "min";
  const version = fields.get("version") ?? "v1";
  if (mode !== "min" && mode !== "max")
    throw new Fault("invalidParameter", `invalid provenance mode ${JSON.stringify(mode)}: want min or max`, {
      code: "build.attest",
    });
  if (version !== "v0.2" && version !== "v1")
    throw new Fault(
      "invalidParameter",
      `invalid provenance version ${JSON.stringify(version)}: want v0.2 or v1`,
      { code: "build.attest" },
    );
  return { mode, version };
}

/** Returns what is wanted of the options `attest:…`. Throws Fault `build.attest`. */
export function attestWishesOf(attrs: Attrs): AttestWishes {
  for (const name of Object.keys(attrs))
    if (name.startsWith("attest:") && name !== "attest:provenance" && name !== "attest:sbom")
      throw new Fault("notImplemented", `attestation type "${name.slice(7)}" is not supported`, {
        code: "build.attest",
      });
  const { "attest:provenance": provenanceText, "attest:sbom": sbomText } = attrs;
  const provenance = provenanceWish(provenanceText);
  const hasSbom = sbomText !== undefined && fieldsOf(sbomText).get("disabled") !== "true";
  const isInline = fieldsOf(provenanceText ?? "").get("inline-only") === "true";
  return { provenance, hasSbom, isExplicit: hasSbom || (provenance !== undefined && !isInline) };
}

/** Whether anything is to be said. */
export const attests = (wishes: AttestWishes): boolean => wishes.hasSbom || wishes.provenance !== undefined;

/** compat: what statements call an image: each of its names as a package URL. */
function subjectsOf(names: readonly Reference[], { platform }: BuiltImage, digest: Digest): object[] {
  const sha256 = digest.slice("sha256:".length);
  const query = `?platform=${encodeURIComponent(formatPlatform(platform))}`;
  const urls = names.map((name) => `pkg:docker/${familiarName(name)}@${name.tag ?? "latest"}${query}`);
  return (urls.length === 0 ? ["_"] : urls).map((name) => ({ name, digest: { sha256 } }));
}

export interface AttestContext {
  readonly layers: LayerStore;
  readonly names: readonly Reference[];
}

/** Makes the statements of one image. */
export async function attest(
  built: BuiltImage,
  image: ImageRecord,
  wishes: AttestWishes,
  { layers, names }: AttestContext,
): Promise<Attestation[]> {
  const made: { predicateType: string; predicate: object; fileName: string }[] = [];
  if (wishes.hasSbom) {
    await using root = await layers.openFs(layers.rootSource(image.layers.at(-1) ?? null));
    const [name] = names;
    const subject = {
      name: name === undefined ? image.id : familiarName(name),
      imageId: image.id,
      createdAt: built.finishedAt,
    };
    const predicate = spdxDocument(await scanPackages(root), subject);
    made.push({ predicateType: SPDX_PREDICATE, predicate, fileName: "sbom.spdx.json" });
  }
  if (wishes.provenance !== undefined) {
    const facts = { ...built, hostPlatform: formatPlatform(hostPlatform()) };
    const predicateType = PROVENANCE_PREDICATES[wishes.provenance.version];
    const predicate = provenanceOf(facts, wishes.provenance);
    made.push({ predicateType, predicate, fileName: "provenance.json" });
  }
  return made.map(({ predicateType, predicate, fileName }) => {
    const statementOf = (subject: readonly object[]): object => ({
      _type: STATEMENT,
      predicateType,
      subject,
      predicate,
    });
    return {
      predicateType,
      fileName,
      statementOf,
      statement: (digest) => statementOf(subjectsOf(names, built, digest)),
    };
  });
}
