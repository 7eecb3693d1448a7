// What is said about an image: in-toto statements (provenance, bills of materials) in attestation manifests, as BuildKit pushes them. A pull
// brings those about the image that it pulls, a build makes them: the manifests are in the image's record, the statements are blobs, which
// the sweep takes when no image has them any more. Statements are large and read only when somebody asks.
import type { ImageAttestations } from "../../api/schemas/image.ts";
import { Fault } from "../../lib/errors.ts";
import { type Digest, digestOf } from "../../oci/digest.ts";
import { type Descriptor, parseManifest } from "../../oci/manifest.ts";
import type { RegistryRepository, ResolvedManifest } from "../../registry/repository.ts";
import type { ContentStore } from "../../storage/content/types.ts";
import { indexOf, isAttestationOf, shown } from "./manifests.ts";
import type { ImageRecord } from "./record.ts";

const STATEMENT_TYPE = "application/vnd.in-toto+json";
const PREDICATE_TYPE = "in-toto.io/predicate-type";
/** What one image brings along at most; a registry is not believed that there is a need for more. */
const MAX_MANIFESTS = 8;
const MAX_STATEMENTS = 32;
const MAX_STATEMENT_BYTES = 64 << 20;

type Kept = NonNullable<ImageRecord["attestations"]>;

/**
 * Brings the attestations about the manifest that was resolved. One that cannot be had, or is too large, is not there: nobody asked for
 * it by pulling. Fails only with the signal.
 */
export async function pullAttestations(
  content: ContentStore,
  repository: Pick<RegistryRepository, "manifest" | "blob">,
  { manifest, top, digestOfImage }: Pick<ResolvedManifest, "manifest" | "top"> & { digestOfImage: Digest },
  signal: AbortSignal,
): Promise<Pick<ImageRecord, "attestations">> {
  if (top.parsed.kind !== "index" || manifest.kind !== "manifest") return {};
  const about = top.parsed.manifests.filter((d) => isAttestationOf(d, digestOfImage));
  const found: Kept[number][] = [];
  for (const descriptor of about.slice(0, MAX_MANIFESTS)) {
    try {
      found.push(await pullOne(content, repository, descriptor, signal));
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof Fault)) throw error; // ignored otherwise: see above
    }
  }
  return found.length === 0 ? {} : { attestations: found };
}

async function pullOne(
  content: ContentStore,
  repository: Pick<RegistryRepository, "manifest" | "blob">,
  { digest }: Descriptor,
  signal: AbortSignal,
): Promise<Kept[number]> {
  const { bytes, parsed } = await repository.manifest(digest, signal);
  if (parsed.kind !== "manifest") throw notTaken(digest, "is no manifest");
  const kept = { mediaType: parsed.mediaType, text: Buffer.from(bytes).toString("utf8") };
  const statements = statementsIn(kept);
  if (statements.length > MAX_STATEMENTS || statements.some((s) => s.sizeBytes > MAX_STATEMENT_BYTES))
    throw notTaken(digest, "is too large");
  const options = { policy: { attempts: 1 }, onWait: () => {}, signal };
  for (const statement of statements) {
    const expected = { digest: statement.digest, sizeBytes: statement.sizeBytes };
    // Also one that is there: its age keeps it from the sweep until the image is recorded.
    await content.ingest(repository.blob(statement, options), expected, { signal });
  }
  return kept;
}

const notTaken = (digest: Digest, why: string): Fault =>
  new Fault("invalidParameter", `attestation ${digest} ${why}`, { code: "image.attestation" });

/** An attestation manifest that was made here, with its statements. */
export interface MadeAttestation {
  readonly manifest: Kept[number];
  readonly statements: readonly { readonly digest: Digest; readonly bytes: Uint8Array }[];
}

/** Stores the statements and returns the image's attestations: those that came with its list, and this one instead of earlier builds'. */
export async function keepAttestation(
  content: ContentStore,
  current: () => ImageRecord,
  { manifest, statements }: MadeAttestation,
  signal: AbortSignal,
): Promise<Kept> {
  for (const { digest, bytes } of statements)
    await content.ingest(once(bytes), { digest, sizeBytes: bytes.length }, { signal });
  const image = current();
  const listed = new Set(indexOf(image).map((d) => d.digest));
  const came = (image.attestations ?? []).filter(({ text }) => listed.has(digestOf(Buffer.from(text))));
  return [...came, manifest];
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

function statementsIn({ mediaType, text }: Kept[number]): readonly Descriptor[] {
  const parsed = parseManifest(Buffer.from(text), mediaType);
  return parsed.kind === "manifest" ? parsed.layers.filter((l) => l.mediaType === STATEMENT_TYPE) : [];
}

/** The statements about an image. */
export function statementsOf({ attestations = [] }: ImageRecord): readonly Descriptor[] {
  return attestations.flatMap(statementsIn);
}

/** Lists them: those with one of the predicate types, or all; with their text where that is wanted. */
export async function listAttestations(
  content: ContentStore,
  image: ImageRecord,
  { types, isWhole }: { readonly types: readonly string[]; readonly isWhole: boolean },
): Promise<ImageAttestations> {
  const wanted = statementsOf(image).filter(
    (s) => types.length === 0 || types.includes(s.annotations?.[PREDICATE_TYPE] ?? ""),
  );
  const listed: ImageAttestations = [];
  for (const statement of wanted) {
    const entry = {
      Descriptor: shown(statement),
      PredicateType: statement.annotations?.[PREDICATE_TYPE] ?? "",
    };
    listed.push(isWhole ? { ...entry, Statement: await read(content, statement) } : entry);
  }
  return listed;
}

async function read(content: ContentStore, { digest }: Descriptor): Promise<unknown> {
  const bytes = await content.read(digest, MAX_STATEMENT_BYTES);
  try {
    return JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch (cause) {
    throw new Fault("dataLoss", `attestation ${digest} is not JSON`, { code: "image.attestation", cause });
  }
}
