// The Dockerfile of a request, read, checked and described; nothing is built here.

import { Fault } from "../lib/errors.ts";
import { hostPlatform, type Platform } from "../oci/platform.ts";
import { openContexts, type OpenedContexts } from "./context/contexts.ts";
import { Linter } from "./dockerfile/lint/lint.ts";
import type { LintFinding } from "./dockerfile/lint/rules.ts";
import type { LintedImage } from "./dockerfile/lint/stage.ts";
import { parseUpToFailure } from "./dockerfile/parse.ts";
import { findStage, groupStages, type StagedDockerfile } from "./dockerfile/stages.ts";
import { BuildArgs, platformArgs } from "./graph/args.ts";
import { describeTarget, type TargetDescription } from "./graph/describe.ts";
import { declareMetaArgs, outlineBuild } from "./graph/outline.ts";
import type { Dialect } from "./graph/dialect.ts";
import { NamedContexts } from "./graph/named-contexts.ts";
import type { BuildRequest } from "./request.ts";
import type { BuildPorts } from "./solver/ports.ts";
import { removeScratch } from "./solver/scratch.ts";

/** Says which file it is. */
function introduced(error: unknown, name: string): unknown {
  // compat: what the instructions' parser says stands alone, what the line reader says is introduced.
  const isBare =
    error instanceof Fault &&
    /^(?:dockerfile parse error|dockerfile contains|no build stage|.* stage name already)/.test(
      error.message,
    );
  if (!(error instanceof Fault) || isBare) return error;
  return new Fault(error.kind, `failed to parse ${name}: ${error.message}`, {
    code: error.code,
    detail: error.detail,
  });
}

/** Reads the instructions of opened contexts' Dockerfile, up to one that is wrong. Throws Fault `dockerfile.*`. */
function parseOpened({
  dockerfile,
  dockerfileName: name,
}: OpenedContexts): ReturnType<typeof parseUpToFailure> {
  if (dockerfile === "")
    throw new Fault("invalidParameter", `the Dockerfile (${name}) cannot be empty`, {
      code: "dockerfile.empty",
    });
  try {
    return parseUpToFailure(dockerfile);
  } catch (error) {
    throw introduced(error, name);
  }
}

/** Returns the stages. Throws what is wrong with them, or in the text. */
function stagesOf(
  { file, failure }: ReturnType<typeof parseUpToFailure>,
  { dockerfileName: name }: OpenedContexts,
  dialect: Dialect,
): StagedDockerfile {
  try {
    if (failure !== undefined) throw failure;
    return groupStages(file, { isBuildkit: dialect === "buildkit" });
  } catch (error) {
    throw introduced(error, name);
  }
}

/** Reads the Dockerfile of opened contexts. Throws Fault `dockerfile.*` with Docker's texts. */
export function readOpened(opened: OpenedContexts, dialect: Dialect): StagedDockerfile {
  return stagesOf(parseOpened(opened), opened, dialect);
}

/** Reads the Dockerfile as BuildKit does, and looks at it: `findings` has what was found also where this throws Fault `dockerfile.*`. */
export function readLinted(
  request: BuildRequest,
  opened: OpenedContexts,
  findings: LintFinding[],
): { readonly file: StagedDockerfile; readonly linter: Linter } {
  const parsed = parseOpened(opened);
  const linter = new Linter(parsed.file.directives.check ?? "", {
    ignored: opened.ignored,
    given: request.buildArgs ?? {},
    findings,
  });
  linter.checkInstructions(parsed.file.instructions);
  const file = stagesOf(parsed, opened, "buildkit");
  linter.checkStages(file, predefinedArgs(request, file));
  return { file, linter };
}

/** Finds out what the images set that stages start from, as far as they are here and are not named by an argument. */
async function lintedImages(
  { stages }: StagedDockerfile,
  contexts: NamedContexts,
  images: BuildPorts["images"],
): Promise<ReadonlyMap<string, LintedImage>> {
  const known = new Map<string, LintedImage>();
  await Promise.all(
    stages.map(async ({ from: { base }, index }) => {
      if (findStage(stages, base, index) !== undefined) return;
      const given = contexts.find(base);
      if (given?.kind === "files") return;
      const image = await images.findLocal(given?.reference ?? base).catch(() => undefined); // ignored: the build reports it
      if (image === undefined) return;
      const { env = [], shell = [], onBuild = [] } = image.config.config;
      known.set(base, { env, hasShell: shell.length > 0, triggers: onBuild });
    }),
  );
  return known;
}

/** Looks at the steps of the stages that are needed. */
export async function lintSteps(
  linter: Linter,
  request: BuildRequest,
  { file, needed }: { readonly file: StagedDockerfile; readonly needed: ReadonlySet<number> },
  images: BuildPorts["images"],
): Promise<void> {
  const contexts = new NamedContexts(request.contexts);
  const known = await lintedImages(file, contexts, images);
  linter.checkSteps(contexts.replaceStages(file), needed, {
    predefined: predefinedArgs(request, file),
    imageOf: (reference) => known.get(reference),
  });
}

/** Returns the arguments that a stage may declare without a value. */
function predefinedArgs(request: BuildRequest, { stages }: StagedDockerfile): Map<string, string> {
  const host: Platform = hostPlatform();
  const known = platformArgs(request.platform ?? host, host);
  return known.set("TARGETSTAGE", request.target || stages.at(-1)?.from.name || "default");
}

/** Returns the arguments that a request gives for a Dockerfile, none declared yet. */
export function argsOf(request: BuildRequest, file: StagedDockerfile): BuildArgs {
  // compat: the classic builder knows no arguments of the platform.
  const known = request.dialect === "buildkit" ? predefinedArgs(request, file) : new Map<string, string>();
  return new BuildArgs(request.buildArgs ?? {}, known);
}

type ReadPorts = Pick<BuildPorts, "makeScratch" | "images">;

/** Calls `use` with the opened contexts of a request. */
async function withOpened<T>(
  request: BuildRequest,
  ports: ReadPorts,
  signal: AbortSignal,
  use: (opened: OpenedContexts) => Promise<T>,
): Promise<T> {
  await using stack = new AsyncDisposableStack();
  const directory = await ports.makeScratch();
  stack.defer(() => removeScratch(directory));
  const opened = await openContexts(request, directory, { signal });
  stack.defer(() => opened.close());
  return await use(opened);
}

/** What `--check` finds in a Dockerfile, and the file itself. */
export interface CheckedDockerfile {
  readonly name: string;
  readonly text: string;
  readonly findings: readonly LintFinding[];
  /** Why it cannot be built, as far as that is seen without building; the findings are those made before. */
  readonly failure?: Fault;
}

/** Checks the Dockerfile of a request and builds nothing. Throws Faults of the context; what is wrong in the file is `failure`. */
export function checkDockerfile(
  request: BuildRequest,
  ports: ReadPorts,
  signal: AbortSignal,
): Promise<CheckedDockerfile> {
  return withOpened(request, ports, signal, async (opened) => {
    const { dockerfileName: name, dockerfile: text } = opened;
    const findings: LintFinding[] = [];
    try {
      await checkOpened(request, opened, ports, findings);
      return { name, text, findings };
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      return { name, text, findings, failure: error };
    }
  });
}

/** Adds to `findings`. Throws Fault `dockerfile.*` where the file cannot be built. */
async function checkOpened(
  request: BuildRequest,
  opened: OpenedContexts,
  ports: ReadPorts,
  findings: LintFinding[],
): Promise<void> {
  const { file, linter } = readLinted(request, opened, findings);
  const args = argsOf(request, file);
  declareMetaArgs(file, args);
  const contexts = new NamedContexts(request.contexts);
  // Without a target all stages are looked at, as with BuildKit.
  const targets = request.target ? [request.target] : file.stages.map(({ index }) => String(index));
  const outlines = targets.map((target) =>
    outlineBuild(file, args, { target, extraSteps: 0, contexts, dialect: "buildkit" }),
  );
  const needed = new Set(outlines.flatMap((outline) => outline.needed.map(({ stage }) => stage.index)));
  await lintSteps(linter, request, { file, needed }, ports.images);
  linter.finish();
}

/** What a Dockerfile offers, and the file itself. */
export interface DescribedDockerfile {
  readonly text: string;
  readonly file: StagedDockerfile;
  readonly target: TargetDescription;
}

/** Describes the Dockerfile of a request and the target that it names, and builds nothing. Throws Fault `dockerfile.*`. */
export function describeDockerfile(
  request: BuildRequest,
  ports: ReadPorts,
  signal: AbortSignal,
): Promise<DescribedDockerfile> {
  return withOpened(request, ports, signal, async (opened) => {
    const file = readOpened(opened, "buildkit");
    const contexts = new NamedContexts(request.contexts);
    const target = describeTarget(file, argsOf(request, file), { target: request.target, contexts });
    return { text: opened.dockerfile, file, target };
  });
}
