// The six kinds of hooks (runtime-spec config.md "POSIX-platform Hooks"): which of them keel runs while it makes the container, and
// running those that come when it is made or gone.
//
//   prestart, createRuntime   in the caller's namespaces, before pivot            keel (launch.c)
//   createContainer           in the container's, before pivot                    the container's process
//   startContainer            in the container, after `start`, before the program  the container's process
//   poststart, poststop       in the caller's namespaces                          runHooks below

import { Fault, messageOf } from "../../../lib/errors.ts";
import type { StateText } from "../../../linux/launch.ts";
import { type HookKind, markedState } from "../../plan/hooks.ts";
import type { OciHook } from "../../spec/oci.ts";
import { type ContainerState, specState, type Status } from "./store.ts";

/** Returns the state that hooks read, to be completed by keel. */
export function stateText(state: Pick<ContainerState, "id" | "bundle" | "spec">, status: Status): StateText {
  return markedState((pid) => specState(state, status, pid));
}

/** Runs hooks one after another. Throws Fault for the first that fails. */
export async function runHooks(
  hooks: readonly OciHook[],
  kind: HookKind,
  state: ContainerState,
  status: Status,
): Promise<void> {
  if (hooks.length === 0) return;
  const { spawnSync } = await import("node:child_process");
  const input = JSON.stringify(specState(state, status, status === "stopped" ? 0 : state.pid));
  for (const [index, hook] of hooks.entries()) {
    const [argv0 = hook.path, ...args] = hook.args ?? [];
    const done = spawnSync(hook.path, args, {
      argv0,
      input,
      ...(hook.env ? { env: envOf(hook.env) } : {}),
      ...(hook.timeout ? { timeout: hook.timeout * 1000, killSignal: "SIGKILL" as const } : {}),
    });
    const why = failureOf(hook, done);
    if (why !== undefined)
      throw new Fault("system", `error running ${kind} hook #${index}: ${why}`, { code: "hook.failed" });
  }
}

function envOf(env: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    env.map((text) => {
      const [name = "", ...value] = text.split("=");
      return [name, value.join("=")];
    }),
  );
}

interface Done {
  error?: Error;
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: Buffer | null;
  stderr: Buffer | null;
}

function failureOf(hook: OciHook, done: Done): string | undefined {
  const { code } = (done.error ?? {}) as NodeJS.ErrnoException;
  if (code === "ETIMEDOUT") return `hook ran past specified timeout of ${(hook.timeout ?? 0).toFixed(1)}s`;
  if (done.error && code !== "EPIPE") return `fork/exec ${hook.path}: ${messageOf(done.error)}`;
  if (done.status === 0) return undefined;
  const how = done.signal === null ? `exit status ${done.status}` : `signal: ${done.signal}`;
  return `${how}, stdout: ${done.stdout ?? ""}, stderr: ${done.stderr ?? ""}`;
}
