// The Dockerfile of a request, read, checked and described; nothing is built here.

import { Fault } from "../lib/errors.ts";
import { hostPlatform, type Platform } from "../oci/platform.ts";
import { openContexts, type OpenedContexts } from "./context/contexts.ts";
import { isReference, type LintOptions, lintDockerfile } from "./dockerfile/lint.ts";
import type { LintFinding } from "./dockerfile/lint-rules.ts";
import { type ParsedDockerfile, parseDockerfile } from "./dockerfile/parse.ts";
import { groupStages, type StagedDockerfile } from "./dockerfile/stages.ts";
import { BuildArgs, platformArgs } from "./graph/args.ts";
import { describeTarget, type TargetDescription } from "./graph/describe.ts";
import type { Dialect } from "./graph/dialect.ts";
import { NamedContexts } from "./graph/named-contexts.ts";
import type { BuildRequest } from "./request.ts";
import type { BuildPorts } from "./solver/ports.ts";
import { removeScratch } from "./solver/scratch.ts";

/** Reads the Dockerfile of opened contexts. Throws Fault `dockerfile.*` with Docker's texts. */
export function readOpened(
  context: OpenedContexts,
  dialect: Dialect,
): { parsed: ParsedDockerfile; file: StagedDockerfile } {
  const name = context.dockerfileName;
  if (context.dockerfile === "") {
    throw new Fault("invalidParameter", `the Dockerfile (${name}) cannot be empty`, {
      code: "dockerfile.empty",
    });
  }
  try {
    const parsed = parseDockerfile(context.dockerfile);
    // compat: BuildKit only warns of a name that two stages have.
    return { parsed, file: groupStages(parsed, { allowsSameNames: dialect === "buildkit" }) };
  } catch (error) {
    // compat: what the instructions' parser says stands alone, what the line reader says is introduced.
    const isBare =
      error instanceof Fault &&
      /^(?:dockerfile parse error|no build stage|.* stage name already)/.test(error.message);
    if (!(error instanceof Fault) || isBare) throw error;
    throw new Fault(error.kind, `failed to parse ${name}: ${error.message}`, {
      code: error.code,
      detail: error.detail,
    });
  }
}

/** Finds out what the images set that stages start from, as far as they are here. */
export async function lintOptions(
  { ignored }: OpenedContexts,
  file: StagedDockerfile,
  images: BuildPorts["images"],
): Promise<LintOptions> {
  const known = new Map<string, readonly string[]>();
  await Promise.all(
    file.stages.map(async ({ from: { base } }) => {
      if (!isReference(base)) return; // named by an argument: what it sets is not known before the build
      const image = await images.findLocal(base);
      const env = image?.config.config.env ?? [];
      if (image !== undefined)
        known.set(
          base,
          env.map((entry) => entry.split("=", 1)[0] as string),
        );
    }),
  );
  return { ignored, imageVariables: (reference) => known.get(reference) };
}

/** Returns the arguments that a request gives for a Dockerfile, none declared yet. */
export function argsOf(request: BuildRequest, { stages }: StagedDockerfile): BuildArgs {
  const host: Platform = hostPlatform();
  // compat: the classic builder knows no arguments of the platform.
  const known =
    request.dialect === "buildkit" ? platformArgs(request.platform ?? host, host) : new Map<string, string>();
  if (request.dialect === "buildkit")
    known.set("TARGETSTAGE", request.target || stages.at(-1)?.from.name || "default");
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
}

/** Checks the Dockerfile of a request and builds nothing. Throws Fault `dockerfile.*`. */
export function checkDockerfile(
  request: BuildRequest,
  ports: ReadPorts,
  signal: AbortSignal,
): Promise<CheckedDockerfile> {
  return withOpened(request, ports, signal, async (opened) => {
    const { parsed, file } = readOpened(opened, "buildkit");
    const { findings } = lintDockerfile(parsed, await lintOptions(opened, file, ports.images));
    return { name: opened.dockerfileName, text: opened.dockerfile, findings };
  });
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
    const { file } = readOpened(opened, "buildkit");
    const contexts = new NamedContexts(request.contexts);
    const target = describeTarget(file, argsOf(request, file), { target: request.target, contexts });
    return { text: opened.dockerfile, file, target };
  });
}
