// Every command of Compose: its name, its one line in help, and where its code is. Data only.

import type { VerbEntry } from "../table.ts";

type Names = Pick<VerbEntry, "aliases" | "hidden">;

const verb = (
  name: string,
  summary: string,
  // biome-ignore lint: commands of every flag table and of Compose's session share this list
  load: () => Promise<{ readonly command: any }>,
  names: Names = {},
): VerbEntry => ({ noun: "compose", name, summary, load, ...names });

export const composeVerbs: readonly VerbEntry[] = [
  verb("alpha", "Experimental commands", async () => ({ command: (await import("./refused.ts")).alpha }), {
    hidden: true,
  }),
  verb(
    "attach",
    "Attach local standard input, output, and error streams to a service's running container",
    () => import("./life/attach.ts"),
  ),
  verb(
    "bridge",
    "Convert compose files into another model",
    async () => ({ command: (await import("./refused.ts")).bridge }),
    { hidden: true },
  ),
  verb("build", "Build or rebuild services", () => import("./files/build.ts")),
  verb("commit", "Create a new image from a service container's changes", () => import("./look/commit.ts")),
  verb(
    "config",
    "Parse, resolve and render compose file in canonical format",
    () => import("./files/config.ts"),
    { aliases: ["convert"] },
  ),
  verb(
    "cp",
    "Copy files/folders between a service container and the local filesystem",
    () => import("./look/cp.ts"),
  ),
  verb("create", "Creates containers for a service", () => import("./life/create.ts")),
  verb("down", "Stop and remove containers, networks", () => import("./life/down.ts")),
  verb("events", "Receive real time events from containers", () => import("./look/events.ts")),
  verb("exec", "Execute a command in a running container", () => import("./life/exec.ts")),
  verb(
    "export",
    "Export a service container's filesystem as a tar archive",
    () => import("./look/export.ts"),
  ),
  verb("images", "List images used by the created containers", () => import("./files/images.ts")),
  verb("kill", "Force stop service containers", () => import("./life/kill.ts")),
  verb("logs", "View output from containers", () => import("./look/logs.ts")),
  verb("ls", "List running compose projects", () => import("./files/ls.ts")),
  verb("pause", "Pause services", () => import("./life/pause.ts")),
  verb("port", "Print the public port for a port binding", () => import("./look/port.ts")),
  verb("ps", "List containers", () => import("./look/ps.ts")),
  verb("publish", "Publish compose application", () => import("./files/publish.ts")),
  verb("pull", "Pull service images", () => import("./files/pull.ts")),
  verb("push", "Push service images", () => import("./files/push.ts")),
  verb("restart", "Restart service containers", () => import("./life/restart.ts")),
  verb("rm", "Removes stopped service containers", () => import("./life/rm.ts")),
  verb("run", "Run a one-off command on a service", () => import("./life/run.ts")),
  verb("scale", "Scale services", () => import("./life/scale.ts")),
  verb("start", "Start services", () => import("./life/start.ts")),
  verb(
    "stats",
    "Display a live stream of container(s) resource usage statistics",
    () => import("./look/stats.ts"),
  ),
  verb("stop", "Stop services", () => import("./life/stop.ts")),
  verb("top", "Display the running processes", () => import("./look/top.ts")),
  verb("unpause", "Unpause services", () => import("./life/unpause.ts")),
  verb("up", "Create and start containers", () => import("./life/up.ts")),
  verb("version", "Show the Docker Compose version information", () => import("./files/version.ts")),
  verb("volumes", "List volumes", () => import("./files/volumes.ts")),
  verb("wait", "Block until containers of all (or specified) services stop.", () => import("./life/wait.ts")),
  verb(
    "watch",
    "Watch build context for service and rebuild/refresh containers when files are updated",
    () => import("./life/watch.ts"),
  ),
];
