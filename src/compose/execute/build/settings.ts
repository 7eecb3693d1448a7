// What a service's build is told beside the fields of its own `build`: names, labels, arguments, platforms, and what the
// command line adds.

import { Fault } from "../../../lib/errors.ts";
import { type BuildSpec, imageOf, type Project, type Service } from "../../model/project.ts";
import { label } from "../../observe/labels.ts";
import { extraHostsOf } from "../../request/container.ts";

export interface BuildOptions {
  readonly isQuiet: boolean;
  readonly noCache?: boolean;
  readonly pull?: boolean;
  /** Images that have a name are pushed when they are built. */
  readonly push?: boolean;
  /** Bytes. */
  readonly memory?: number;
  /** `NAME=value`, or a name whose value is the environment's. */
  readonly buildArgs?: readonly string[];
  /** Agents beside those of the services, sockets by name. */
  readonly ssh?: Readonly<Record<string, string | null>>;
  /** For all services, as `--provenance` and `--sbom` of `build`; "" for the services' own. */
  readonly provenance?: string;
  readonly sbom?: string;
  /** For every platform that a service names, and not for the one that its containers run on alone. */
  readonly isForAllPlatforms?: boolean;
}

export interface BuildSettings {
  /** The image's name, then further ones. */
  readonly tags: readonly string[];
  /** Null for what is the environment's, which does not have it. */
  readonly args: Readonly<Record<string, string | null>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly extraHosts: readonly string[];
  readonly noCache: boolean;
  readonly pull: boolean;
  readonly push: boolean;
  /** None: the builder's own. */
  readonly platforms: readonly string[];
  readonly memory: number | undefined;
  readonly ssh: Readonly<Record<string, string | null>>;
  readonly provenance: string;
  readonly sbom: string;
  readonly isQuiet: boolean;
}

/** What the labels need to know. */
interface Maker {
  readonly version: string;
}

/** Returns the settings. Throws a Fault for a platform that the service's build does not have. */
export function settingsOf(
  { version }: Maker,
  project: Project,
  service: Service,
  options: BuildOptions,
): BuildSettings {
  const build = service.build ?? {};
  return {
    tags: [imageOf(project, service), ...(build.tags ?? [])],
    args: argsOf(project, build, options),
    labels: {
      ...build.labels,
      [label.project]: project.name,
      [label.service]: service.name,
      [label.version]: version,
    },
    extraHosts: extraHostsOf(build.extra_hosts),
    noCache: options.noCache === true || build.no_cache === true,
    pull: options.pull === true || build.pull === true,
    push: options.push === true && service.image !== undefined,
    platforms: platformsOf(project, service, options),
    memory: options.memory,
    ssh: options.ssh ?? {},
    provenance: options.provenance ?? "",
    sbom: options.sbom ?? "",
    isQuiet: options.isQuiet,
  };
}

function platformsOf(
  { environment }: Project,
  { name, platform, build }: Service,
  { isForAllPlatforms = false }: BuildOptions,
): readonly string[] {
  const given = build?.platforms ?? [];
  const byDefault = environment.get("DOCKER_DEFAULT_PLATFORM") || undefined;
  const wanted = platform ?? byDefault;
  if (wanted === undefined) return isForAllPlatforms || given.length < 2 ? given : [];
  if (given.length === 0) return [wanted];
  if (!given.includes(wanted)) {
    const what =
      platform === undefined
        ? `build.platforms does not support value set by DOCKER_DEFAULT_PLATFORM: ${wanted}`
        : `build configuration does not support platform: ${wanted}`;
    throw new Fault("invalidParameter", `service ${JSON.stringify(name)} ${what}`, {
      code: "compose.platform",
    });
  }
  return isForAllPlatforms ? given : [wanted];
}

function argsOf(
  { environment }: Project,
  build: BuildSpec,
  { buildArgs: given = [] }: BuildOptions,
): Record<string, string | null> {
  const args: Record<string, string | null> = { ...build.args };
  for (const pair of given) {
    const equals = pair.indexOf("=");
    args[equals < 0 ? pair : pair.slice(0, equals)] = equals < 0 ? null : pair.slice(equals + 1);
  }
  for (const [name, value] of Object.entries(args)) args[name] = value ?? environment.get(name) ?? null;
  return args;
}
