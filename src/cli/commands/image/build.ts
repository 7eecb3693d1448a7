// `build`: sends the context to the daemon's classic build operation and prints what comes back.

import { randomBytes } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { imageBuild } from "../../../api/operations/build.ts";
import { bool, type FlagValues, int, invalidValue, list, string, strings } from "../../../lib/flags/spec.ts";
import { humanSize } from "../../../lib/units/size.ts";
import { parseReference } from "../../../oci/reference.ts";
import { isRemoteContext, locateContext } from "../../build/locate.ts";
import { packContext } from "../../build/pack.ts";
import { defineCommand, exactly } from "../../command.ts";
import { allCredentials } from "../../config/credentials.ts";
import { proxyVariables } from "../../config/proxies.ts";
import { complain } from "../../each.ts";
import { envFlag, errnoText, labelFlag, toRecord } from "../../options/env.ts";
import { bytesFlag, extraHostFlag, swapFlag, ulimitFlag } from "../../options/values.ts";
import { print, printError } from "../../output.ts";
import { displayOn } from "../../progress/display.ts";
import { isTerminal } from "../../terminal/tty.ts";

const flags = {
  "add-host": extraHostFlag('Add a line "host:ip" to /etc/hosts'),
  "build-arg": envFlag("Set build-time variables"),
  "cache-from": strings("Images to consider as cache sources"),
  "cgroup-parent": string('Parent cgroup of the "RUN" instructions'),
  compress: bool("Compress the build context using gzip"),
  "cpu-period": int("Period of the CPU quota in microseconds"),
  "cpu-quota": int("Microseconds of CPU in a period"),
  "cpu-shares": int("CPU shares (relative weight)", { short: "c" }),
  "cpuset-cpus": string("CPUs to run on (0-3, 0,1)"),
  "cpuset-mems": string("Memory nodes to use (0-3, 0,1)"),
  "disable-content-trust": bool("Skip image verification", { initial: true }),
  file: string('Name of the Dockerfile (default is "PATH/Dockerfile")', { short: "f" }),
  "force-rm": bool("Always remove intermediate containers"),
  iidfile: string("Write the image ID to the file"),
  isolation: string("Isolation technology"),
  label: labelFlag("Set metadata for an image"),
  memory: bytesFlag("Limit of memory", { short: "m" }),
  "memory-swap": swapFlag("Limit of memory plus swap: -1 for unlimited swap"),
  network: string('Network of the "RUN" instructions', { initial: "default", since: "1.25" }),
  "no-cache": bool("Do not use cache when building the image"),
  platform: string("Platform of the image", {
    initial: process.env["DOCKER_DEFAULT_PLATFORM"] ?? "",
    since: "1.38",
  }),
  pull: bool("Always attempt to pull a newer version of the image"),
  quiet: bool("Suppress the build output and print image ID on success", { short: "q" }),
  rm: bool("Remove intermediate containers after a successful build", { initial: true }),
  "security-opt": strings("Security options"),
  "shm-size": bytesFlag('Size of "/dev/shm"'),
  squash: bool("Squash newly built layers into a single new layer", { since: "1.25" }),
  tag: list('Name and optionally a tag in the "name:tag" format', { short: "t", check: checkTag }),
  target: string("Stage to build"),
  ulimit: ulimitFlag("Resource limits of processes"),
};
type Flags = FlagValues<typeof flags>;

export const command = defineCommand({
  operands: "[OPTIONS] PATH | URL | -",
  arity: exactly(1),
  flags,
  async run(session, { args, flags }) {
    const context = await prepareContext(args[0] ?? "", flags);
    if (flags.iidfile !== "") rmSync(flags.iidfile, { force: true });
    const client = await session.client();
    const config = await session.config();
    const own = new Set(flags["build-arg"].map((pair) => pair.split("=", 1)[0] ?? ""));
    const proxies = proxyVariables(config, client.host, own);
    let progress = "";
    const isTty = await isTerminal(1);
    const report = (text: string): void => {
      if (flags.quiet) progress += text;
      else print(text);
    };
    const body =
      context.body === undefined
        ? undefined
        : countBytes(await compressed(context.body, flags.compress), isTty, report);
    const lines = await client.stream(
      imageBuild,
      {
        ...buildArguments(flags, context, proxies),
        registryConfig: allCredentials(config),
      },
      { upload: body ?? new Uint8Array(0) },
    );
    let imageId = "";
    let output = "";
    try {
      await displayOn(1, lines, {
        ...(flags.quiet ? { write: (text: string) => void (output += text) } : {}),
        onAux: ({ aux }) => {
          const { ID } = aux as { readonly ID?: string };
          if (ID !== undefined) imageId = ID;
        },
      });
    } catch (error) {
      if (flags.quiet) printError(`${progress}${output}`);
      throw error;
    }
    if (flags.quiet) {
      imageId = output;
      print(output);
    }
    if (flags.iidfile !== "") writeImageId(flags.iidfile, imageId);
  },
});

function checkTag(text: string): string {
  try {
    parseReference(text);
  } catch (error) {
    throw invalidValue((error as Error).message);
  }
  return text;
}

interface Context {
  /** The archive; undefined when the daemon fetches it. */
  readonly body: AsyncIterable<Uint8Array> | undefined;
  readonly dockerfile: string;
  readonly remote: string;
}

async function prepareContext(path: string, flags: Flags): Promise<Context> {
  const isStdinFile = flags.file === "-";
  if (path === "-") {
    if (isStdinFile)
      throw complain("invalid argument: can't use stdin for both build context and dockerfile");
    return stdinContext(flags.file);
  }
  const { existsSync } = await import("node:fs");
  if (!existsSync(path) && isRemoteContext(path)) {
    if (isStdinFile) throw complain("the Dockerfile of a remote context cannot be read from stdin");
    return { body: undefined, dockerfile: flags.file, remote: path };
  }
  const located = locateContext(path, flags.file);
  if (located.dockerfile !== undefined) {
    const { directory, dockerfile } = located;
    return { body: packContext({ directory, dockerfile }), dockerfile, remote: "" };
  }
  const { readStdinDockerfile } = await import("../../build/stdin.ts");
  const content = located.outside ?? (await readStdinDockerfile());
  // A name that no file of the context has.
  const dockerfile = `.dockerfile.${randomBytes(10).toString("hex")}`;
  const extra = new Map([[dockerfile, content]]);
  return { body: packContext({ directory: located.directory, dockerfile, extra }), dockerfile, remote: "" };
}

async function stdinContext(file: string): Promise<Context> {
  const { openStdinContext } = await import("../../build/stdin.ts");
  const { content, isArchive } = await openStdinContext();
  if (isArchive) return { body: content, dockerfile: file, remote: "" };
  if (file !== "") {
    throw complain(
      "unable to prepare context: ambiguous Dockerfile source: both stdin and flag correspond to Dockerfiles",
    );
  }
  const { tarEntry, tarHeader, tarPadding, TAR_END } = await import("../../../lib/tar/writer.ts");
  const chunks: Uint8Array[] = [];
  for await (const chunk of content) chunks.push(chunk);
  const text = Buffer.concat(chunks);
  const header = tarHeader(
    tarEntry({ type: "file", name: "Dockerfile", mode: 0o600, sizeBytes: text.length }),
  );
  const body = (async function* () {
    yield Buffer.concat([header, text, tarPadding(text.length), TAR_END]);
  })();
  return { body, dockerfile: "Dockerfile", remote: "" };
}

async function compressed(
  body: AsyncIterable<Uint8Array>,
  isWanted: boolean,
): Promise<AsyncIterable<Uint8Array>> {
  if (!isWanted) return body;
  const [{ createGzip }, { Readable }] = await Promise.all([import("node:zlib"), import("node:stream")]);
  return Readable.from(body).pipe(createGzip());
}

/** Passes the bytes on and says how many: now and then on a terminal, and at the end. */
async function* countBytes(
  body: AsyncIterable<Uint8Array>,
  isTty: boolean,
  report: (text: string) => void,
): AsyncGenerator<Uint8Array> {
  const line = (bytes: number): string =>
    `Sending build context to Docker daemon ${humanSize(bytes).padStart(8)}\r`;
  let sent = 0;
  let shown = 0;
  for await (const chunk of body) {
    yield chunk;
    sent += chunk.length;
    if (isTty && sent - shown > 512 * 1024) {
      report(line(sent));
      shown = sent;
    }
  }
  report(`${line(sent)}\r\n`);
}

function buildArguments(
  flags: Flags,
  { dockerfile, remote }: Context,
  proxies: Readonly<Record<string, string>>,
) {
  const args: Record<string, string | null> = { ...proxies };
  for (const pair of flags["build-arg"]) {
    const equals = pair.indexOf("=");
    args[equals < 0 ? pair : pair.slice(0, equals)] = equals < 0 ? null : pair.slice(equals + 1);
  }
  return {
    dockerfile,
    remote,
    tags: flags.tag,
    extraHosts: flags["add-host"],
    quiet: flags.quiet,
    noCache: flags["no-cache"],
    cacheFrom: flags["cache-from"].length === 0 ? undefined : flags["cache-from"],
    pull: flags.pull,
    remove: flags.rm ? undefined : false,
    forceRemove: flags["force-rm"],
    memory: flags.memory || undefined,
    memorySwap: flags["memory-swap"] || undefined,
    cpuShares: flags["cpu-shares"] || undefined,
    cpusetCpus: flags["cpuset-cpus"],
    cpusetMems: flags["cpuset-mems"],
    cpuPeriod: flags["cpu-period"] || undefined,
    cpuQuota: flags["cpu-quota"] || undefined,
    cgroupParent: flags["cgroup-parent"],
    buildArgs: args,
    shmSize: flags["shm-size"] || undefined,
    ulimits: flags.ulimit.length === 0 ? undefined : flags.ulimit,
    squash: flags.squash,
    labels: toRecord(flags.label),
    networkMode: flags.network === "default" ? undefined : flags.network,
    securityOpt: flags["security-opt"],
    isolation: flags.isolation,
    platform: flags.platform,
    target: flags.target,
    version: "1",
  };
}

function writeImageId(path: string, imageId: string): void {
  if (imageId === "") throw complain(`Server did not provide an image ID. Cannot write ${path}`);
  try {
    writeFileSync(path, imageId.trim());
  } catch (error) {
    throw complain(`open ${path}: ${errnoText(error)}`);
  }
}
