// The flags of the commands that create containers, and what they mean to Compose.

import type { CreateProjectOptions } from "../../../compose/execute/create.ts";
import type { ImageOptions } from "../../../compose/execute/images.ts";
import type { Project, Service } from "../../../compose/model/project.ts";
import type { Recreation } from "../../../compose/plan/reconcile.ts";
import { bool, custom, type FlagSpec, int, invalidValue, string } from "../../../lib/flags/spec.ts";
import { complain } from "../../failure.ts";
import type { ComposeSession } from "./session.ts";

/** `--scale SERVICE=NUM`, repeatable. */
export function scaleFlag(): FlagSpec<Readonly<Record<string, number>>> {
  const usage = "Scale SERVICE to NUM instances. Overrides the scale setting in the Compose file if present.";
  return custom<Readonly<Record<string, number>>>("scale", usage, {}, (text, previous) => ({
    ...previous,
    ...parseScale(text),
  }));
}

/** Reads `SERVICE=NUM`. Throws a Fault for anything else. */
export function parseScale(text: string): Record<string, number> {
  const match = /^([^=]+)=([0-9]+)$/.exec(text);
  if (match === null) throw invalidValue(`invalid scale specifier: ${text}`);
  return { [match[1] as string]: Number(match[2]) };
}

export const creationFlags = {
  build: bool("Build images before starting containers"),
  "force-recreate": bool("Recreate containers even if their configuration and image haven't changed"),
  "no-build": bool("Don't build an image, even if it's policy"),
  "no-recreate": bool(
    "If containers already exist, don't recreate them. Incompatible with --force-recreate.",
  ),
  pull: string('Pull image before running ("always"|"missing"|"never")', { initial: "policy" }),
  "quiet-pull": bool("Pull without printing progress information"),
  "remove-orphans": bool("Remove containers for services not defined in the Compose file"),
  scale: scaleFlag(),
  yes: bool('Assume "yes" as answer to all prompts and run non-interactively', { short: "y" }),
};

export const timeoutFlag = (usage: string): FlagSpec<number> => int(usage, { short: "t" });

/** The flags as they are when none is given. */
export const creationDefaults = {
  build: false,
  "force-recreate": false,
  "no-build": false,
  "no-recreate": false,
  pull: "policy",
  "quiet-pull": false,
  "remove-orphans": false,
  yes: false,
};

interface CreationFlags {
  readonly build: boolean;
  readonly "force-recreate": boolean;
  readonly "no-build": boolean;
  readonly "no-recreate": boolean;
  readonly pull: string;
  readonly "quiet-pull": boolean;
  readonly "quiet-build"?: boolean;
  readonly "remove-orphans": boolean;
  readonly "always-recreate-deps"?: boolean;
  readonly "renew-anon-volumes"?: boolean;
  readonly yes: boolean;
}

/** Returns what creating means by the flags. Throws a Fault for flags that exclude each other. */
export function creationOptions(
  flags: CreationFlags,
  targets: readonly string[],
  timeoutSeconds: number | undefined,
): CreateProjectOptions {
  if (flags.build && flags["no-build"]) throw complain("--build and --no-build are incompatible");
  if (flags["force-recreate"] && flags["no-recreate"])
    throw complain("--force-recreate and --no-recreate are incompatible");
  if (flags["always-recreate-deps"] === true && flags["no-recreate"])
    throw complain("--always-recreate-deps and --no-recreate are incompatible");
  const recreation: Recreation = flags["no-recreate"]
    ? "never"
    : flags["force-recreate"]
      ? "always"
      : "changed";
  const isEveryDependency = flags["always-recreate-deps"] === true;
  return {
    images: imageOptions(flags),
    targets,
    recreation,
    dependencyRecreation: flags["no-recreate"] ? "never" : isEveryDependency ? "always" : "changed",
    inherits: flags["renew-anon-volumes"] !== true,
    removesOrphans: flags["remove-orphans"] || isSet("COMPOSE_REMOVE_ORPHANS"),
    ignoresOrphans: isSet("COMPOSE_IGNORE_ORPHANS"),
    timeoutSeconds,
    confirm: async (question) => flags.yes || ask(question),
  };
}

function imageOptions(flags: CreationFlags): ImageOptions {
  const { pull } = flags;
  if (!["policy", "always", "missing", "never", "build", "if_not_present"].includes(pull))
    throw complain(`invalid --pull option ${JSON.stringify(pull)}`);
  return {
    pull: pull === "if_not_present" ? "missing" : pull === "build" ? "policy" : pull,
    build: flags["no-build"] ? "none" : flags.build || pull === "build" ? "all" : "missing",
    isQuietPull: flags["quiet-pull"],
    buildOptions: { isQuiet: flags["quiet-build"] === true },
  };
}

const isSet = (name: string): boolean => ["1", "t", "true"].includes((process.env[name] ?? "").toLowerCase());

/** Asks on the terminal; nobody there means no. */
async function ask(question: string): Promise<boolean> {
  if (process.stdin.isTTY !== true) return false;
  const [{ readLine }, { printError }] = await Promise.all([
    import("../../confirm.ts"),
    import("../../output.ts"),
  ]);
  printError(`${question} [y/N] `);
  return /^y(?:es)?$/i.test(readLine().trim());
}

/** Returns the project with other numbers of containers. Throws a Fault for a service that it does not have. */
export function withScales(project: Project, scales: Readonly<Record<string, number>>): Project {
  const services: Record<string, Service> = { ...project.services };
  for (const [name, scale] of Object.entries(scales)) {
    const service = services[name];
    if (service === undefined) throw complain(`no such service: ${name}`);
    const { deploy } = service;
    services[name] = {
      ...service,
      scale,
      ...(deploy === undefined ? {} : { deploy: { ...deploy, replicas: scale } }),
    };
  }
  return { ...project, services };
}

/** Loads the project with the named services and what they need. */
export async function selectedProject(
  compose: ComposeSession,
  services: readonly string[],
  company: "dependencies" | "dependents" | "none",
): Promise<Project> {
  const { withSelected, withoutUnused } = await import("../../../compose/model/select.ts");
  const project = withSelected(await compose.project(services), services, company);
  return compose.flags["all-resources"] ? project : withoutUnused(project);
}
