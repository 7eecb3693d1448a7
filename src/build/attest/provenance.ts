// How an image came to be, as an SLSA provenance predicate (0.2 or 1.0), in the words that BuildKit uses: what was asked for, the
// images it was built from, when. `mode=min` leaves out arguments and the Dockerfile, which may say more than is meant
// for others. Values of secrets are never known here; their names are.

import { BERTH_VERSION } from "../../lib/version.ts";

const BUILD_TYPE = "https://mobyproject.org/buildkit@v1";

/** An image that was built upon or copied from. */
export interface Material {
  /** As in the Dockerfile. */
  readonly name: string;
  /** `os/arch` that was asked for. */
  readonly platform: string;
  /** `sha256:…` of its manifest, of its configuration where it was never in a registry. */
  readonly digest: string;
}

export interface BuildFacts {
  readonly buildId: string;
  /** `os/arch` of the host. */
  readonly hostPlatform: string;
  /** Options of the frontend. */
  readonly attrs: Readonly<Record<string, string>>;
  readonly dockerfile: { readonly name: string; readonly text: string };
  readonly materials: readonly Material[];
  /** RFC 3339. */
  readonly startedAt: string;
  readonly finishedAt: string;
}

export interface ProvenanceOptions {
  readonly mode: "min" | "max";
  readonly version: "v0.2" | "v1";
}

export const PROVENANCE_PREDICATES = {
  "v0.2": "https://slsa.dev/provenance/v0.2",
  v1: "https://slsa.dev/provenance/v1",
} as const;

/** Options that only say how the client reaches the build, or what it is to say of it. */
const SILENT = /^(?:attest:|cache-|berth-|requestid$)/;
/** Options that `mode=min` keeps for itself. */
const PRIVATE = /^(?:build-arg:|label:)/;

function digestSet(digest: string): Record<string, string> {
  const [algorithm = "", hex = ""] = digest.split(":", 2);
  return { [algorithm]: hex };
}

function materialUri({ name, platform }: Material): string {
  const at = name.lastIndexOf(":");
  const hasTag = at > name.lastIndexOf("/");
  const [path, tag] = hasTag ? [name.slice(0, at), name.slice(at + 1)] : [name.split("@", 1)[0], "latest"];
  return `pkg:docker/${path}@${tag}?platform=${encodeURIComponent(platform)}`;
}

function argsOf(attrs: BuildFacts["attrs"], mode: ProvenanceOptions["mode"]): Record<string, string> {
  const kept = Object.entries(attrs).filter(
    ([name]) => !SILENT.test(name) && (mode === "max" || !PRIVATE.test(name)),
  );
  return Object.fromEntries(kept.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function sourceOf({ dockerfile }: BuildFacts): object {
  const { name, text } = dockerfile;
  return { infos: [{ filename: name, language: "Dockerfile", data: Buffer.from(text).toString("base64") }] };
}

/** The build's context, where it is something that others can reach. */
function remoteOf({ attrs }: BuildFacts): string | undefined {
  const context = attrs["context"];
  return context === undefined || context.startsWith("http://buildkit-session") ? undefined : context;
}

function predicate02(facts: BuildFacts, { mode }: ProvenanceOptions): object {
  const remote = remoteOf(facts);
  const uri = remote === undefined ? {} : { uri: remote };
  return {
    builder: { id: "" },
    buildType: BUILD_TYPE,
    materials: facts.materials.map((m) => ({ uri: materialUri(m), digest: digestSet(m.digest) })),
    invocation: {
      configSource: { ...uri, entryPoint: facts.dockerfile.name },
      parameters: {
        frontend: "dockerfile.v0",
        args: argsOf(facts.attrs, mode),
        ...(remote === undefined ? { locals: [{ name: "context" }, { name: "dockerfile" }] } : {}),
      },
      environment: { platform: facts.hostPlatform },
    },
    metadata: {
      buildInvocationID: facts.buildId,
      buildStartedOn: facts.startedAt,
      buildFinishedOn: facts.finishedAt,
      completeness: { parameters: mode === "max", environment: true, materials: false },
      reproducible: false,
      [`${BUILD_TYPE}#metadata`]: mode === "max" ? { source: sourceOf(facts) } : {},
    },
  };
}

function predicate1(facts: BuildFacts, { mode }: ProvenanceOptions): object {
  const remote = remoteOf(facts);
  return {
    buildDefinition: {
      buildType: "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md",
      externalParameters: {
        configSource: { ...(remote === undefined ? {} : { uri: remote }), path: facts.dockerfile.name },
        request: { frontend: "dockerfile.v0", args: argsOf(facts.attrs, mode) },
      },
      internalParameters: { builderPlatform: facts.hostPlatform },
      resolvedDependencies: facts.materials.map((m) => ({
        uri: materialUri(m),
        digest: digestSet(m.digest),
      })),
    },
    runDetails: {
      builder: { id: "", version: { berth: BERTH_VERSION } },
      metadata: {
        invocationId: facts.buildId,
        startedOn: facts.startedAt,
        finishedOn: facts.finishedAt,
        buildkit_completeness: { request: mode === "max", resolvedDependencies: false },
        buildkit_metadata: mode === "max" ? { source: sourceOf(facts) } : {},
      },
    },
  };
}

/** Returns the predicate. */
export function provenanceOf(facts: BuildFacts, options: ProvenanceOptions): object {
  return options.version === "v1" ? predicate1(facts, options) : predicate02(facts, options);
}
