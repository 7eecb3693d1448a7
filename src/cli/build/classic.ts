// `build` by the classic operation: sends the context as one archive and prints what comes back.

import { randomBytes } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { imageBuild } from "../../api/operations/build.ts";
import { parseCsv } from "../../lib/flags/spec.ts";
import { humanSize } from "../../lib/units/size.ts";
import type { ConfigFile } from "../config/config-file.ts";
import { allCredentials } from "../config/credentials.ts";
import { proxyVariables } from "../config/proxies.ts";
import { complain } from "../failure.ts";
import { errnoText, toRecord } from "../options/env.ts";
import { print, printError } from "../output.ts";
import { displayOn } from "../progress/display.ts";
import type { Session } from "../session.ts";
import { isTerminal } from "../terminal/tty.ts";
import { type BuildFlags, buildArguments } from "./flags.ts";
import { isRemoteContext, locateContext } from "./locate.ts";
import { packContext } from "./pack.ts";

/** Builds by the classic operation and prints its stream. */
export async function buildClassic(session: Session, path: string, flags: BuildFlags): Promise<void> {
  const context = await prepareContext(path, flags);
  if (flags.iidfile !== "") rmSync(flags.iidfile, { force: true });
  const client = await session.client();
  const config = await session.config();
  const proxies = proxiesOf(config, client.host, flags);
  let progress = "";
  const isTty = isTerminal(1);
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
      ...requestArguments(flags, context, proxies),
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
}

interface Context {
  /** The archive; undefined when the daemon fetches it. */
  readonly body: AsyncIterable<Uint8Array> | undefined;
  readonly dockerfile: string;
  readonly remote: string;
}

async function prepareContext(path: string, flags: BuildFlags): Promise<Context> {
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
  const { readStdinDockerfile } = await import("./stdin.ts");
  const content = located.outside ?? (await readStdinDockerfile());
  // A name that no file of the context has.
  const dockerfile = `.dockerfile.${randomBytes(10).toString("hex")}`;
  const extra = new Map([[dockerfile, content]]);
  return { body: packContext({ directory: located.directory, dockerfile, extra }), dockerfile, remote: "" };
}

async function stdinContext(file: string): Promise<Context> {
  const { openStdinContext } = await import("./stdin.ts");
  const { content, isArchive } = await openStdinContext();
  if (isArchive) return { body: content, dockerfile: file, remote: "" };
  if (file !== "") {
    throw complain(
      "unable to prepare context: ambiguous Dockerfile source: both stdin and flag correspond to Dockerfiles",
    );
  }
  const { tarEntry, tarHeader, tarPadding, TAR_END } = await import("../../lib/tar/writer.ts");
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

function requestArguments(
  flags: BuildFlags,
  { dockerfile, remote }: Context,
  proxies: Readonly<Record<string, string>>,
) {
  return {
    dockerfile,
    remote,
    tags: flags.tag,
    extraHosts: flags["add-host"],
    quiet: flags.quiet,
    noCache: flags["no-cache"],
    cacheFrom: flags["cache-from"].length === 0 ? undefined : flags["cache-from"].flatMap(parseCsv),
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
    buildArgs: buildArguments(flags, proxies),
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

/** Returns the proxy variables of the client's configuration that the user has not set himself. */
export function proxiesOf(
  config: ConfigFile,
  host: string,
  flags: BuildFlags,
): Readonly<Record<string, string>> {
  const own = new Set(flags["build-arg"].map((pair) => pair.split("=", 1)[0] ?? ""));
  return proxyVariables(config, host, own);
}

export function writeImageId(path: string, imageId: string): void {
  if (imageId === "") throw complain(`Server did not provide an image ID. Cannot write ${path}`);
  try {
    writeFileSync(path, imageId.trim());
  } catch (error) {
    throw complain(`open ${path}: ${errnoText(error)}`);
  }
}
