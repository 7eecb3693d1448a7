// The checks of `--check`: names, descriptions and addresses are BuildKit's, so that `# check=skip=…` and documentation fit.

const URL = "https://docs.docker.com/go/dockerfile/rule";

const DESCRIPTIONS = {
  StageNameCasing: "Stage names should be lowercase",
  FromAsCasing: "The 'as' keyword should match the case of the 'from' keyword",
  NoEmptyContinuation: "Empty continuation lines will become errors in a future release",
  ConsistentInstructionCasing:
    "All commands within the Dockerfile should use the same casing (either upper or lower)",
  DuplicateStageName: "Stage names should be unique",
  ReservedStageName: "Reserved words should not be used as stage names",
  JSONArgsRecommended:
    "JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals",
  MaintainerDeprecated:
    "The MAINTAINER instruction is deprecated, use a label instead to define an image author",
  UndefinedArgInFrom: "FROM command must use declared ARGs",
  UndefinedVar: "Variables should be defined before their use",
  WorkdirRelativePath:
    "Relative workdir without an absolute workdir declared within the build can have unexpected results if the base image changes",
  MultipleInstructionsDisallowed:
    "Multiple instructions of the same type should not be used in the same stage",
  LegacyKeyValueFormat: "Legacy key/value format with whitespace separator should not be used",
  RedundantTargetPlatform:
    "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior",
  InvalidBaseImagePlatform: "Base image platform does not match expected target platform",
  InvalidDefaultArgInFrom: "Default value for global ARG results in an empty or invalid base image name",
  InvalidDefinitionDescription:
    "Comment for build stage or argument should follow the format: `# <arg/stage name> <description>`. If this is not intended to be a description comment, add an empty line or comment between the instruction and the comment.",
  SecretsUsedInArgOrEnv: "Sensitive data should not be used in the ARG or ENV commands",
  FromPlatformFlagConstDisallowed: "FROM --platform flag should not use a constant value",
  CopyIgnoredFile: "Attempting to Copy file that is excluded by .dockerignore",
  ExposeProtoCasing: "Protocol in EXPOSE instruction should be lowercase",
  ExposeInvalidFormat:
    "IP address and host-port mapping should not be used in EXPOSE instruction. This will become an error in a future release",
} as const;

export type RuleName = keyof typeof DESCRIPTIONS;

/** Rules that speak only where the Dockerfile asks for them. */
export const EXPERIMENTAL: ReadonlySet<string> = new Set<RuleName>(["InvalidDefinitionDescription"]);

export interface LintFinding {
  readonly rule: RuleName;
  readonly description: string;
  readonly url: string;
  /** What was found here. */
  readonly message: string;
  readonly line: number;
  readonly endLine: number;
}

/** `JSONArgsRecommended` is found at `json-args-recommended`. */
function slugOf(rule: RuleName): string {
  return rule
    .replace(/([a-z])([A-Z])/g, "$1-$2")
    .replace(/([A-Z]+)([A-Z][a-z])/g, "$1-$2")
    .toLowerCase();
}

/** Makes a finding. */
export function findingOf(
  rule: RuleName,
  message: string,
  lines: { readonly start: number; readonly end: number },
): LintFinding {
  return {
    rule,
    description: DESCRIPTIONS[rule],
    url: `${URL}/${slugOf(rule)}/`,
    message,
    line: lines.start,
    endLine: lines.end,
  };
}
