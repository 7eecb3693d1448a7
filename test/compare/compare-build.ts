// `make compare-build`: builds every context of contexts.ts with Docker Engine and with Berth, by the classic builder and by
// BuildKit, with one and the same client, and compares what comes out. Prints the differences; exits with 1 when there are any.
// `compare-build.ts WORD…` takes only the contexts whose names hold one of the words.
//
// The private reference engine is Debian's. For another one, such as a Docker of today, give engines that run already:
//   COMPARE_DOCKER, COMPARE_BERTH   their addresses, as DOCKER_HOST
//   COMPARE_CLIENT                  the `docker` to drive both with; its plugins (buildx) are those of DOCKER_CONFIG
//   COMPARE_ADDRESS                 an address of this host that both engines reach: what is fetched by them is compared, too
import { mkdir, mkdtemp, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { openDaemons } from "../../bench/field/engines.ts";
import { baseImageTar } from "../e2e/base-image.ts";
import { CONTEXTS, type Context, type FileSpec } from "./contexts.ts";
import { CURRENT_CONTEXTS } from "./contexts-current.ts";
import { client, must, type Mode } from "./compared-client.ts";
import { type Compared, differences, type Facts, factsOf } from "./image-facts.ts";
import { type ServedFiles, serveFiles, writeArchives } from "./served-files.ts";

/** From this version of the API on BuildKit is today's, and its client asks through buildx. */
const CURRENT_API = 1.44;
/** Builds under way at a time. */
const PARALLEL = Number(process.env["PARALLEL"] ?? 3);
const MODES: readonly Mode[] = ["classic", "buildkit"];
/** Time of every file of a context: old enough to be told from the build's own. */
const FILE_TIME_SEC = Date.UTC(2015, 5, 1) / 1000;

async function writeSpec(path: string, spec: FileSpec): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  if (typeof spec === "string") await writeFile(path, spec, { mode: 0o644 });
  else if (spec.link !== undefined) await symlink(spec.link, path);
  else if (spec.isDirectory === true) await mkdir(path, { mode: spec.mode ?? 0o755 });
  else await writeFile(path, spec.content ?? "", { mode: spec.mode ?? 0o644 });
  if (typeof spec === "string" || spec.link === undefined) await utimes(path, FILE_TIME_SEC, FILE_TIME_SEC);
}

/** Writes a context; directories get their time when everything is in them. */
async function writeContext(dir: string, context: Context): Promise<void> {
  const files = { Dockerfile: context.dockerfile, ...context.files };
  if (context.hasArchives === true) writeArchives(dir);
  for (const [name, spec] of Object.entries(files)) await writeSpec(join(dir, name), spec);
  const parents = Object.keys(files).flatMap((name) => {
    const parts = name.split("/").slice(0, -1);
    return parts.map((_, i) => parts.slice(0, i + 1).join("/"));
  });
  for (const name of [...new Set(parents)].sort().reverse())
    await utimes(join(dir, name), FILE_TIME_SEC, FILE_TIME_SEC);
}

type Outcome = { readonly facts: Facts } | { readonly failure: string };

async function outcomeOf(
  host: string,
  dir: string,
  context: Context,
  compared: Compared,
  tag: string,
): Promise<Outcome> {
  const { mode } = compared;
  const given = (context.args ?? []).map((arg) => arg.replaceAll("{dir}", dir));
  const args = ["build", "--no-cache", "--force-rm", "-t", tag, ...given, context.context ?? dir];
  const built = await client(host, args, { mode });
  if (built.status !== 0) return { failure: built.err.trim().split("\n").at(-1) ?? "" };
  const [image] = JSON.parse((await must(host, ["image", "inspect", tag])).toString());
  const history = await historyOf(host, tag);
  const id = (await must(host, ["create", tag, ...(hasCommand(image.Config) ? [] : ["none"])]))
    .toString()
    .trim();
  const tree = await must(host, ["export", id]);
  await must(host, ["rm", id]);
  return { facts: await factsOf({ config: image.Config, history, tree }, compared) };
}

const hasCommand = (config: { Cmd?: unknown[] | null; Entrypoint?: unknown[] | null }): boolean =>
  (config.Cmd?.length ?? 0) + (config.Entrypoint?.length ?? 0) > 0;

/** The history out of the image's own configuration: what `docker history` shows is made up for some of it. */
async function historyOf(host: string, tag: string) {
  const archive = await must(host, ["save", tag]);
  const { readTar } = await import("../../src/lib/tar/reader.ts");
  const { Readable } = await import("node:stream");
  const files = new Map<string, Buffer>();
  let name = "";
  for await (const events of readTar(Readable.from([archive])))
    for (const event of events) {
      if (event.kind === "entry") name = event.entry.sizeBytes < 1 << 20 ? event.entry.name : "";
      else if (event.kind === "data" && name !== "")
        files.set(name, Buffer.concat([files.get(name) ?? Buffer.alloc(0), event.bytes]));
    }
  const [manifest] = JSON.parse(files.get("manifest.json")?.toString() ?? "[]");
  return JSON.parse(files.get(manifest.Config)?.toString() ?? "{}").history ?? [];
}

const BASE = "builder-compare-base";
const tagOf = (mode: Mode, index: number): string => `builder-compare-${mode}-${index}`;

interface Job {
  readonly context: Context;
  readonly compared: Compared;
  readonly tag: string;
}

interface Hosts {
  readonly docker: string;
  readonly berth: string;
}

async function compare({ context, compared, tag }: Job, hosts: Hosts): Promise<string[]> {
  const dir = await mkdtemp(join(tmpdir(), "compare-build-"));
  try {
    await writeContext(dir, context);
    const [docker, berth] = await Promise.all([
      outcomeOf(hosts.docker, dir, context, compared, tag),
      outcomeOf(hosts.berth, dir, context, compared, tag),
    ]);
    if ("failure" in docker && "failure" in berth)
      return context.fails === true ? [] : [`both refuse: ${docker.failure} | ${berth.failure}`];
    if ("failure" in docker) return [`- fails: ${docker.failure}`];
    if ("failure" in berth) return [`+ fails: ${berth.failure}`];
    if (context.fails === true) return ["both build what ought to be refused"];
    return differences(docker.facts, berth.facts);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** The context with the base that both engines have, and with addresses of what is served. */
function filled(context: Context, served: ServedFiles | undefined): Context {
  const fill = (text: string): string => {
    const based = text.replaceAll("busybox", BASE);
    return served === undefined ? based : served.fill(based);
  };
  const files = Object.entries(context.files ?? {}).map(([name, spec]) => [
    name,
    typeof spec === "string" ? fill(spec) : spec,
  ]);
  return {
    ...context,
    dockerfile: fill(context.dockerfile),
    files: Object.fromEntries(files),
    args: (context.args ?? []).map(fill),
    ...(context.context === undefined ? {} : { context: fill(context.context) }),
  };
}

/** Compares all of them, PARALLEL at a time, and prints what differs. Returns how many did. */
async function compareAll(jobs: readonly Job[], hosts: Hosts): Promise<number> {
  let differing = 0;
  const queue = [...jobs];
  const work = async (): Promise<void> => {
    for (let job = queue.shift(); job !== undefined; job = queue.shift()) {
      const found = await compare(job, hosts).catch((error: unknown) => [`! ${String(error)}`]);
      if (found.length === 0) continue;
      differing++;
      const title = `${job.context.name} (${job.compared.mode}):`;
      process.stdout.write(`${title}\n${found.map((line) => `  ${line}\n`).join("")}`);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, work));
  return differing;
}

async function main(words: readonly string[]): Promise<number> {
  await using stack = new AsyncDisposableStack();
  const given = { docker: process.env["COMPARE_DOCKER"], berth: process.env["COMPARE_BERTH"] };
  const own = given.docker && given.berth ? [] : stack.use(await openDaemons()).contenders;
  const hostOf = (kind: string): string => own.find((e) => e.kind === kind)?.host ?? "";
  const hosts = { docker: given.docker ?? hostOf("docker"), berth: given.berth ?? hostOf("berth") };
  const version = (await must(hosts.docker, ["version", "-f", "{{.Server.APIVersion}}"])).toString();
  const isCurrent = Number.parseFloat(version) >= CURRENT_API;
  const address = process.env["COMPARE_ADDRESS"];
  const served = address === undefined ? undefined : stack.use(await serveFiles(address, BASE));
  const base = await baseImageTar();
  for (const host of Object.values(hosts)) await must(host, ["import", "-c", 'CMD ["sh"]', "-", BASE], base);
  const chosen = [...CONTEXTS, ...CURRENT_CONTEXTS].filter(
    (c) =>
      (isCurrent || c.isCurrent !== true) &&
      (served !== undefined || c.isServed !== true) &&
      (words.length === 0 || words.some((word) => c.name.includes(word))),
  );
  const jobs = chosen.flatMap((context, index) =>
    MODES.filter((mode) => context.only === undefined || context.only === mode).map((mode) => ({
      context: filled(context, served),
      compared: { mode, isCurrent },
      tag: tagOf(mode, index),
    })),
  );
  const differing = await compareAll(jobs, hosts);
  // Not before all builds are over: Debian's engine loses parents of images that are built meanwhile.
  for (const host of Object.values(hosts))
    await client(host, ["rmi", "-f", ...jobs.map((job) => job.tag), BASE]);
  process.stdout.write(
    `${chosen.length} contexts, ${jobs.length} comparisons, ${differing} with differences\n`,
  );
  return differing === 0 ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
