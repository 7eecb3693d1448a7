// Every command of the program: under which noun and names it goes, its one line in help, and where its code is. The
// code is loaded only when the command is run or its own help page is shown. Data only, made as far as it is asked for.

import type { Command } from "../command.ts";
import { swarmNouns } from "./swarm/table.ts";

// biome-ignore lint: commands of every flag table share this list
type AnyCommand = Command<any>;

export interface VerbEntry {
  /** Empty for commands that exist at the top level only. */
  readonly noun: string;
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<{ readonly command: AnyCommand }>;
  /** Further names under the noun. */
  readonly aliases?: readonly string[] | undefined;
  /** Name at the top level, if it has one. */
  readonly top?: string | undefined;
  /** Place among the common commands at the head of the help page. */
  readonly common?: number | undefined;
  readonly hidden?: boolean | undefined;
}

export interface NounEntry {
  readonly name: string;
  readonly summary: string;
  readonly hidden?: boolean;
}

/** Data that is made when it is first asked for. */
function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}

export const nouns = once((): readonly NounEntry[] => [
  { name: "builder", summary: "Manage builds" },
  { name: "buildx", summary: "Docker Buildx", hidden: true },
  { name: "checkpoint", summary: "Manage checkpoints", hidden: true },
  { name: "container", summary: "Manage containers" },
  { name: "context", summary: "Manage contexts" },
  { name: "explain", summary: "Explain why something is as it is" },
  { name: "image", summary: "Manage images" },
  { name: "manifest", summary: "Manage image manifests and manifest lists" },
  { name: "network", summary: "Manage networks" },
  { name: "plugin", summary: "Manage plugins" },
  { name: "registry", summary: "Run a registry" },
  { name: "system", summary: "Manage the daemon" },
  { name: "trust", summary: "Manage signatures of images", hidden: true },
  { name: "volume", summary: "Manage volumes" },
  ...swarmNouns().map(({ name, summary }) => ({ name, summary, hidden: true })),
]);

const alone = (name: string, summary: string, load: VerbEntry["load"], common?: number): VerbEntry => ({
  noun: "",
  name,
  summary,
  load,
  top: name,
  common,
});

type Names = Pick<VerbEntry, "aliases" | "top" | "common" | "hidden">;

// Every member by name: this runs some hundred times before any command, and spreading objects takes a quarter of a millisecond of it.
const verb =
  (noun: string) =>
  (
    name: string,
    summary: string,
    load: VerbEntry["load"],
    { aliases, top, common, hidden }: Names = {},
  ): VerbEntry => ({ noun, name, summary, load, aliases, top, common, hidden });

const container = verb("container");
const image = verb("image");
const network = verb("network");
const volume = verb("volume");
const system = verb("system");
const context = verb("context");
const explain = verb("explain");
const builder = verb("builder");
const buildx = verb("buildx");
const manifest = verb("manifest");
const checkpoint = verb("checkpoint");
const plugin = verb("plugin");

/** The verbs of a noun that share one piece of code. */
const verbsOf = (
  noun: string,
  list: readonly (readonly [name: string, summary: string])[],
  load: (name: string) => Promise<AnyCommand>,
): VerbEntry[] =>
  list.map(([name, summary]) => ({
    noun,
    name,
    summary,
    load: async () => ({ command: await load(name) }),
    aliases: ALIASES.get(name),
  }));

const ALIASES = new Map([
  ["ls", ["list"]],
  ["rm", ["remove"]],
]);

/** By noun, the commonest first. */
const groups = [
  once((): readonly VerbEntry[] => [
    container("attach", "Attach the terminal to a running container", () => import("./container/attach.ts"), {
      top: "attach",
    }),
    container(
      "commit",
      "Create a new image from a container's changes",
      () => import("./container/commit.ts"),
      {
        top: "commit",
      },
    ),
    container(
      "cp",
      "Copy files between a container and the local filesystem",
      () => import("./container/cp.ts"),
      {
        top: "cp",
      },
    ),
    container("create", "Create a new container", () => import("./container/create.ts"), { top: "create" }),
    container(
      "diff",
      "Show changes to files on a container's filesystem",
      () => import("./container/diff.ts"),
      {
        top: "diff",
      },
    ),
    container("exec", "Execute a command in a running container", () => import("./container/exec.ts"), {
      top: "exec",
      common: 1,
    }),
    container(
      "export",
      "Export a container's filesystem as a tar archive",
      () => import("./container/export.ts"),
      {
        top: "export",
      },
    ),
    container(
      "inspect",
      "Display detailed information on one or more containers",
      () => import("./container/inspect.ts"),
    ),
    container("kill", "Kill one or more running containers", () => import("./container/kill.ts"), {
      top: "kill",
    }),
    container("logs", "Fetch the logs of a container", () => import("./container/logs.ts"), { top: "logs" }),
    container("ls", "List containers", () => import("./container/ls.ts"), {
      aliases: ["list", "ps"],
      top: "ps",
      common: 2,
    }),
    container(
      "pause",
      "Pause all processes within one or more containers",
      () => import("./container/pause.ts"),
      {
        top: "pause",
      },
    ),
    container("port", "List port mappings of a container", () => import("./container/port.ts"), {
      top: "port",
    }),
    container("prune", "Remove all stopped containers", () => import("./container/prune.ts")),
    container("rename", "Rename a container", () => import("./container/rename.ts"), { top: "rename" }),
    container("restart", "Restart one or more containers", () => import("./container/restart.ts"), {
      top: "restart",
    }),
    container("rm", "Remove one or more containers", () => import("./container/rm.ts"), {
      aliases: ["remove"],
      top: "rm",
    }),
    container("run", "Create and run a new container from an image", () => import("./container/run.ts"), {
      top: "run",
      common: 0,
    }),
    container("start", "Start one or more stopped containers", () => import("./container/start.ts"), {
      top: "start",
    }),
    container(
      "stats",
      "Display a live stream of containers' resource usage",
      () => import("./container/stats.ts"),
      {
        top: "stats",
      },
    ),
    container("stop", "Stop one or more running containers", () => import("./container/stop.ts"), {
      top: "stop",
    }),
    container("top", "Display the running processes of a container", () => import("./container/top.ts"), {
      top: "top",
    }),
    container(
      "unpause",
      "Unpause all processes within one or more containers",
      () => import("./container/unpause.ts"),
      {
        top: "unpause",
      },
    ),
    container(
      "update",
      "Update configuration of one or more containers",
      () => import("./container/update.ts"),
      {
        top: "update",
      },
    ),
    container(
      "wait",
      "Block until containers stop, then print their exit codes",
      () => import("./container/wait.ts"),
      {
        top: "wait",
      },
    ),
  ]),
  once((): readonly VerbEntry[] => [
    image("build", "Build an image from a Dockerfile", () => import("./image/build.ts"), {
      top: "build",
      common: 3,
    }),
    image("diff", "Show how the files of one image become those of another", () => import("./image/diff.ts")),
    image("history", "Show the history of an image", () => import("./image/history.ts"), { top: "history" }),
    image("import", "Make an image from a tarball of a filesystem", () => import("./image/import.ts"), {
      top: "import",
    }),
    image(
      "inspect",
      "Display detailed information on one or more images",
      () => import("./image/inspect.ts"),
    ),
    image("load", "Load an image from a tar archive or stdin", () => import("./image/load.ts"), {
      top: "load",
    }),
    image("ls", "List images", () => import("./image/ls.ts"), {
      aliases: ["list"],
      top: "images",
      common: 6,
    }),
    image("prune", "Remove unused images", () => import("./image/prune.ts")),
    image("pull", "Download an image from a registry", () => import("./image/pull.ts"), {
      top: "pull",
      common: 4,
    }),
    image("push", "Upload an image to a registry", () => import("./image/push.ts"), {
      top: "push",
      common: 5,
    }),
    image("rm", "Remove one or more images", () => import("./image/rm.ts"), {
      aliases: ["remove"],
      top: "rmi",
    }),
    image("save", "Save images to a tar archive (stdout by default)", () => import("./image/save.ts"), {
      top: "save",
    }),
    image("tag", "Give an image another name", () => import("./image/tag.ts"), { top: "tag" }),
  ]),
  once((): readonly VerbEntry[] => [
    network("connect", "Connect a container to a network", () => import("./network/connect.ts")),
    network("create", "Create a network", () => import("./network/create.ts")),
    network("disconnect", "Disconnect a container from a network", () => import("./network/disconnect.ts")),
    network(
      "graph",
      "Show who reaches whom, and from where ports are reached",
      () => import("./network/graph.ts"),
    ),
    network(
      "inspect",
      "Display detailed information on one or more networks",
      () => import("./network/inspect.ts"),
    ),
    network("ls", "List networks", () => import("./network/ls.ts"), { aliases: ["list"] }),
    network("prune", "Remove all unused networks", () => import("./network/prune.ts")),
    network("rm", "Remove one or more networks", () => import("./network/rm.ts"), { aliases: ["remove"] }),

    volume("clone", "Make a new volume with another one's content", () => import("./volume/clone.ts")),
    volume("create", "Create a volume", () => import("./volume/create.ts")),
    volume("df", "Show disk usage of volumes", () => import("./volume/df.ts")),
    volume("export", "Export a volume's content as a tar archive", () => import("./volume/export.ts")),
    volume("import", "Import a tar archive into a volume", () => import("./volume/import.ts")),
    volume(
      "inspect",
      "Display detailed information on one or more volumes",
      () => import("./volume/inspect.ts"),
    ),
    volume("ls", "List volumes", () => import("./volume/ls.ts"), { aliases: ["list"] }),
    volume("prune", "Remove unused local volumes", () => import("./volume/prune.ts")),
    volume("restore", "Bring back removed volumes", () => import("./volume/restore.ts")),
    volume("rm", "Remove one or more volumes", () => import("./volume/rm.ts"), { aliases: ["remove"] }),
    volume(
      "snapshot",
      "Make snapshots of a volume, list and remove them, go back to one",
      () => import("./volume/snapshot.ts"),
    ),
    volume("update", "Update a volume (cluster volumes only)", () => import("./volume/update.ts"), {
      hidden: true,
    }),

    verb("registry")("serve", "Run a registry, or a cache of one", () => import("./registry/serve.ts")),
    system("check", "Look for damage in images and layers", () => import("./system/check.ts")),
    system("df", "Show disk usage", () => import("./system/df.ts")),
    system(
      "dial-stdio",
      "Proxy the stdio stream to the daemon connection. Should not be invoked manually.",
      () => import("./system/dial-stdio.ts"),
      { hidden: true },
    ),
    system("events", "Get real time events from the daemon", () => import("./system/events.ts"), {
      top: "events",
    }),
    system("info", "Display system-wide information", () => import("./system/info.ts"), {
      top: "info",
      common: 11,
    }),
    system("prune", "Remove unused data", () => import("./system/prune.ts")),

    context("create", "Create a context", () => import("./context/create.ts")),
    context(
      "export",
      "Export a context to a tar archive FILE or a tar stream on STDOUT.",
      () => import("./context/export.ts"),
    ),
    context("import", "Import a context from a tar or zip file", () => import("./context/import.ts")),
    context(
      "inspect",
      "Display detailed information on one or more contexts",
      () => import("./context/inspect.ts"),
    ),
    context("ls", "List contexts", () => import("./context/ls.ts"), { aliases: ["list"] }),
    context("rm", "Remove one or more contexts", () => import("./context/rm.ts"), { aliases: ["remove"] }),
    context("show", "Print the name of the current context", () => import("./context/show.ts")),
    context("update", "Update a context", () => import("./context/update.ts")),
    context("use", "Set the current context", () => import("./context/use.ts")),

    explain(
      "container",
      "Why a container exited, does not start or does not do well",
      () => import("./explain/container.ts"),
    ),
    explain("disk", "What takes the disk, and what frees it", () => import("./explain/disk.ts")),
    explain(
      "image",
      "What an image is made of, and what keeps it from running or being removed",
      () => import("./explain/image.ts"),
    ),
    explain("port", "Why a port does not answer", () => import("./explain/port.ts")),

    manifest(
      "annotate",
      "Add additional information to a local image manifest",
      () => import("./manifest/annotate.ts"),
    ),
    manifest(
      "create",
      "Create a local manifest list for annotating and pushing to a registry",
      () => import("./manifest/create.ts"),
    ),
    manifest("inspect", "Display an image manifest, or manifest list", () => import("./manifest/inspect.ts")),
    manifest("push", "Push a manifest list to a repository", () => import("./manifest/push.ts")),
    manifest("rm", "Delete one or more manifest lists from local storage", () => import("./manifest/rm.ts")),

    plugin(
      "create",
      "Create a plugin from a rootfs and configuration. Plugin data directory must contain config.json and rootfs directory.",
      () => import("./plugin/create.ts"),
    ),
    plugin("disable", "Disable a plugin", () => import("./plugin/disable.ts")),
    plugin("enable", "Enable a plugin", () => import("./plugin/enable.ts")),
    plugin(
      "inspect",
      "Display detailed information on one or more plugins",
      () => import("./plugin/inspect.ts"),
    ),
    plugin("install", "Install a plugin", () => import("./plugin/install.ts")),
    plugin("ls", "List plugins", () => import("./plugin/ls.ts"), { aliases: ["list"] }),
    plugin("push", "Push a plugin to a registry", () => import("./plugin/push.ts")),
    plugin("rm", "Remove one or more plugins", () => import("./plugin/rm.ts"), { aliases: ["remove"] }),
    plugin("set", "Change settings for a plugin", () => import("./plugin/set.ts")),
    plugin("upgrade", "Upgrade an existing plugin", () => import("./plugin/upgrade.ts")),

    ...swarmNouns().flatMap((noun) =>
      verbsOf(noun.name, noun.verbs, async (name) =>
        (await import("./swarm/outside.ts")).outsideOfSwarm(name),
      ),
    ),
    checkpoint(
      "create",
      "Create a checkpoint from a running container",
      () => import("./checkpoint/create.ts"),
    ),
    checkpoint("ls", "List checkpoints for a container", () => import("./checkpoint/ls.ts"), {
      aliases: ["list"],
    }),
    checkpoint("rm", "Remove a checkpoint", () => import("./checkpoint/rm.ts"), { aliases: ["remove"] }),
    ...verbsOf(
      "trust",
      [
        ["inspect", "Return low-level information about keys and signatures"],
        ["key", "Manage keys for signing Docker images"],
        ["revoke", "Remove trust for an image"],
        ["sign", "Sign an image"],
        ["signer", "Manage entities who can sign Docker images"],
      ],
      async () => (await import("./refused.ts")).trust,
    ),

    builder("build", "Build an image from a Dockerfile", () => import("./image/build.ts")),
    builder("prune", "Remove build cache", () => import("./builder/prune.ts")),
    buildx("build", "Start a build", () => import("./image/build.ts"), { aliases: ["b"] }),
    buildx("prune", "Remove build cache", () => import("./builder/prune.ts")),
    buildx("du", "Disk usage", () => import("./buildx/du.ts")),
    buildx("ls", "List builder instances", () => import("./buildx/ls.ts")),
    buildx("inspect", "Inspect current builder instance", () => import("./buildx/inspect.ts")),
    buildx("version", "Show buildx version information", () => import("./buildx/version.ts")),
    buildx("bake", "Build from a file", () => import("./buildx/bake.ts"), { aliases: ["f"] }),

    alone("completion", "Print the completion script of a shell", () => import("./completion.ts")),
    alone("compose", "Define and run multi-container applications", () => import("./compose/compose.ts")),
    alone("inspect", "Return low-level information on objects", () => import("./system/inspect.ts")),
    alone("login", "Authenticate to a registry", () => import("./registry/login.ts"), 7),
    alone("logout", "Log out from a registry", () => import("./registry/logout.ts"), 8),
    alone("search", "Search a registry for images", () => import("./registry/search.ts"), 9),
    alone("undo", "Bring back what was removed", () => import("./undo.ts")),
    alone("version", "Show version information", () => import("./system/version.ts"), 10),
  ]),
];

/** Every verb. */
export const verbs = once(() => groups.flatMap((group) => group()));

/** Finds a verb; no more of the table is made than that takes, since all of it would cost each command a quarter of a millisecond. */
export function findVerb(isIt: (verb: VerbEntry) => boolean): VerbEntry | undefined {
  for (const group of groups) {
    const found = group().find(isIt);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Finds the verb that goes by this name at the top level. */
export function findTop(name: string): VerbEntry | undefined {
  return findVerb((verb) => verb.top === name);
}
