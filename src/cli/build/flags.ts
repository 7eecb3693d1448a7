// The flags of `build`: those of the classic builder, and those that need a session.

import {
  bool,
  type FlagSpec,
  type FlagValues,
  int,
  invalidValue,
  list,
  string,
  strings,
} from "../../lib/flags/spec.ts";
import { parseReference } from "../../oci/reference.ts";
import { envFlag, labelFlag } from "../options/env.ts";
import { bytesFlag, extraHostFlag, swapFlag, ulimitFlag } from "../options/values.ts";

/** A flag that alone means "true". */
function attestation(usage: string): FlagSpec<string> {
  return { ...string(usage), noValue: "true" };
}

/** The flags of `build`. */
export const buildFlags = {
  "add-host": extraHostFlag('Add a line "host:ip" to /etc/hosts'),
  attest: list("Attestation parameters (type=provenance,mode=max, or type=sbom)"),
  allow: strings("Allow extra privileges (network.host, security.insecure, device)"),
  "build-arg": envFlag("Set build-time variables"),
  "build-context": list("Additional build contexts (NAME=PATH, NAME=docker-image://REF, NAME=URL)"),
  builder: string("Ignored: there is one builder, the daemon's"),
  "cache-from": list("Cache sources (NAME, or type=registry,ref=NAME, or type=local,src=DIR)"),
  "cache-to": list("Cache destinations (type=inline, type=registry,ref=NAME, type=local,dest=DIR)"),
  call: string("What to do with the Dockerfile: build, check, outline or targets", { initial: "build" }),
  "cgroup-parent": string('Parent cgroup of the "RUN" instructions'),
  check: bool("Check the Dockerfile and build nothing, as --call=check"),
  compress: bool("Compress the build context using gzip"),
  "cpu-period": int("Period of the CPU quota in microseconds"),
  "cpu-quota": int("Microseconds of CPU in a period"),
  "cpu-shares": int("CPU shares (relative weight)", { short: "c" }),
  "cpuset-cpus": string("CPUs to run on (0-3, 0,1)"),
  "cpuset-mems": string("Memory nodes to use (0-3, 0,1)"),
  debug: bool("Open a shell in the state before the step that failed"),
  "disable-content-trust": bool("Skip image verification", { initial: true }),
  explain: bool("Say of every step why it was run"),
  file: string('Name of the Dockerfile (default is "PATH/Dockerfile")', { short: "f" }),
  "force-rm": bool("Always remove intermediate containers"),
  iidfile: string("Write the image ID to the file"),
  isolation: string("Isolation technology"),
  load: bool("Keep the image in the daemon, which is the default"),
  "metadata-file": string("Write what is known of the result to the file, as JSON"),
  label: labelFlag("Set metadata for an image"),
  memory: bytesFlag("Limit of memory", { short: "m" }),
  "memory-swap": swapFlag("Limit of memory plus swap: -1 for unlimited swap"),
  network: string('Network of the "RUN" instructions', { initial: "default", since: "1.25" }),
  "no-cache": bool("Do not use cache when building the image"),
  "no-cache-filter": strings("Stages that are built without the cache"),
  output: list("Where the result goes (DIR, -, or type=local|tar|oci|docker|image|registry,dest=…)", {
    short: "o",
  }),
  platform: string("Platform of the image, or several of them (linux/amd64,linux/arm64)", {
    initial: process.env["DOCKER_DEFAULT_PLATFORM"] ?? "",
    since: "1.38",
  }),
  progress: string("How progress is shown: auto, plain, tty, quiet or rawjson", {
    initial: process.env["BUILDKIT_PROGRESS"] || "auto",
  }),
  provenance: attestation("Attach provenance to the image (as --attest=type=provenance)"),
  push: bool("Push the image, as --output=type=registry"),
  pull: bool("Always attempt to pull a newer version of the image"),
  quiet: bool("Suppress the build output and print image ID on success", { short: "q" }),
  rm: bool("Remove intermediate containers after a successful build", { initial: true }),
  sbom: attestation("Attach a list of the image's packages (as --attest=type=sbom)"),
  secret: list("A secret for RUN --mount=type=secret (id=NAME[,src=FILE|,env=NAME])"),
  ssh: list("An ssh agent for RUN --mount=type=ssh (default, or NAME=SOCKET, or NAME=KEY[,KEY...])"),
  "security-opt": strings("Security options"),
  "shm-size": bytesFlag('Size of "/dev/shm"'),
  squash: bool("Squash newly built layers into a single new layer", { since: "1.25" }),
  tag: list('Name and optionally a tag in the "name:tag" format', { short: "t", check: checkTag }),
  target: string("Stage to build"),
  ulimit: ulimitFlag("Resource limits of processes"),
};
export type BuildFlags = FlagValues<typeof buildFlags>;

/** Flags that only a build with a session understands. */
export const SESSION_FLAGS = [
  "allow",
  "attest",
  "build-context",
  "cache-to",
  "call",
  "check",
  "debug",
  "explain",
  "load",
  "metadata-file",
  "no-cache-filter",
  "output",
  "progress",
  "provenance",
  "push",
  "sbom",
  "secret",
  "ssh",
];

function checkTag(text: string): string {
  try {
    parseReference(text);
  } catch (error) {
    throw invalidValue((error as Error).message);
  }
  return text;
}

/** Returns the build arguments, the client's proxies among them; null for a name without a value. */
export function buildArguments(
  flags: BuildFlags,
  proxies: Readonly<Record<string, string>>,
): Record<string, string | null> {
  const args: Record<string, string | null> = { ...proxies };
  for (const pair of flags["build-arg"]) {
    const equals = pair.indexOf("=");
    args[equals < 0 ? pair : pair.slice(0, equals)] = equals < 0 ? null : pair.slice(equals + 1);
  }
  return args;
}
