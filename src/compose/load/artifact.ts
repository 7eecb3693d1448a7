// Compose files of registries: `oci://registry/repository:tag`, in the form in which Docker Compose publishes them. One manifest whose
// layers are the files: those that make the project together, those that services extend, and env files. What comes from a
// registry is untrusted: names of files are names and no paths.
// An artifact is brought into the user's cache once, under its digest.

import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "../../lib/errors.ts";
import { type Digest, hexOf } from "../../oci/digest.ts";
import type { Descriptor, Index, Manifest } from "../../oci/manifest.ts";
import { canonicalString, parseReference, type Reference, withDefaultTag } from "../../oci/reference.ts";

export const ARTIFACT_PREFIX = "oci://";
/** Types and annotations of the artifact. Source: docker/compose, internal/oci. */
export const ARTIFACT = {
  type: "application/vnd.docker.compose.project",
  /** In place of the type where a registry knows OCI 1.0 only. */
  emptyConfig: "application/vnd.docker.compose.config.empty.v1+json",
  file: "application/vnd.docker.compose.file+yaml",
  envFile: "application/vnd.docker.compose.envfile",
  annotations: {
    version: "com.docker.compose.version",
    file: "com.docker.compose.file",
    extends: "com.docker.compose.extends",
    envFile: "com.docker.compose.envfile",
  },
} as const;
/** What the project's own files become, one document after another. */
const MAIN = "compose.yaml";

export interface FoundManifest {
  readonly digest: Digest;
  readonly bytes: Uint8Array;
  readonly parsed: Manifest | Index;
}

/** The registries as the user sees them; filled by the command line. */
export interface ArtifactRegistry {
  /** What a name stands for, as it came from the registry. */
  manifest(reference: Reference): Promise<FoundManifest>;
  /** A blob of the repository, verified. */
  blob(reference: Reference, descriptor: Descriptor): Promise<Uint8Array>;
}

/** Brings an artifact here and returns the path of its main file, the others beside it. Throws a Fault when that cannot be done. */
export async function fetchArtifact(
  text: string,
  registry: ArtifactRegistry,
  cache: string,
): Promise<string> {
  const reference = withDefaultTag(parseReference(text.slice(ARTIFACT_PREFIX.length)));
  const { digest, parsed } = await registry.manifest(reference).catch((error: unknown) => {
    if (!(error instanceof Fault)) throw error;
    const what = `failed to pull OCI resource ${JSON.stringify(canonicalString(reference))}`;
    throw new Fault(error.kind, `${what}: ${error.message}`, { code: error.code, cause: error });
  });
  const kept = join(cache, hexOf(digest));
  if (existsSync(kept)) return join(kept, MAIN);
  const manifest = parsed.kind === "manifest" ? parsed : await ofIndex(parsed, reference, registry);
  const files = await filesOf(manifest, reference, registry);
  await mkdir(cache, { recursive: true, mode: 0o700 });
  const fresh = await mkdtemp(join(cache, "new-"));
  try {
    for (const [name, content] of files) await writeFile(join(fresh, name), content, { mode: 0o600 });
    // Another command may have brought the same artifact meanwhile.
    await rename(fresh, kept).catch((error: unknown) => existsSync(kept) || Promise.reject(error));
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
  return join(kept, MAIN);
}

async function ofIndex(index: Index, reference: Reference, registry: ArtifactRegistry): Promise<Manifest> {
  const entry = index.manifests.findLast(({ artifactType }) => artifactType === ARTIFACT.type);
  const name = canonicalString(reference);
  if (entry === undefined) throw malformed(`OCI index ${name} doesn't refer to compose artifacts`);
  const { domain, path } = reference;
  const { parsed } = await registry.manifest({ domain, path, digest: entry.digest });
  if (parsed.kind !== "manifest") throw malformed(`OCI index ${name} refers to another index`);
  return parsed;
}

async function filesOf(
  { artifactType, config, layers }: Manifest,
  reference: Reference,
  registry: ArtifactRegistry,
): Promise<Map<string, Uint8Array>> {
  const isProject =
    artifactType === undefined ? config.mediaType === ARTIFACT.emptyConfig : artifactType === ARTIFACT.type;
  if (!isProject) {
    const what = artifactType ?? config.mediaType;
    throw malformed(`${canonicalString(reference)} is not a compose project OCI artifact, but ${what}`);
  }
  const files = new Map<string, Uint8Array>();
  for (const layer of layers) {
    const name = nameOf(layer);
    if (name === undefined) continue;
    const content = await registry.blob(reference, layer);
    const before = files.get(name);
    const isNext = before !== undefined && layer.mediaType === ARTIFACT.file;
    files.set(name, isNext ? Buffer.concat([before, Buffer.from("\n---\n"), content]) : content);
  }
  if (!files.has(MAIN)) throw malformed(`${canonicalString(reference)} has no Compose file`);
  return files;
}

/** Returns the file that a layer is, or is a part of; undefined for a layer that is none. */
function nameOf({ mediaType, annotations = {} }: Descriptor): string | undefined {
  const { file, envFile, extends: extended } = ARTIFACT.annotations;
  if (mediaType !== ARTIFACT.file && mediaType !== ARTIFACT.envFile) return undefined;
  if (mediaType === ARTIFACT.file && annotations[extended] === undefined) return MAIN;
  const name = annotations[mediaType === ARTIFACT.file ? file : envFile] ?? "";
  if (/^$|^\.\.?$|[/\\\0]/.test(name)) throw malformed("invalid OCI artifact: a layer without a file name");
  return name;
}

const malformed = (message: string): Fault =>
  new Fault("invalidParameter", message, { code: "compose.artifact" });
