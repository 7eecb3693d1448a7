// Commands that a service has run in its containers: after they have started, before they are stopped.

import { containerExec, execInspect, execStart } from "../../../api/operations/exec.ts";
import { Fault } from "../../../lib/errors.ts";
import { FRAME_TYPES, FrameDecoder } from "../../../lib/frames.ts";
import type { Hook, Service } from "../../model/project.ts";
import { type HookOutput, HookSaid } from "./said.ts";
import type { Work } from "../work.ts";

/** Runs a service's commands for a container that has started. Throws a Fault when one fails. */
export async function runPostStartHooks(
  work: Work,
  id: string,
  service: Service,
  output?: HookOutput,
): Promise<void> {
  for (const hook of service.post_start ?? []) await runHook(work, id, service, hook, output);
}

/** Runs a service's commands for a container that is about to be stopped. Throws a Fault when one fails. */
export async function runPreStopHooks(
  work: Work,
  id: string,
  service: Service,
  output?: HookOutput,
): Promise<void> {
  for (const hook of service.pre_stop ?? []) {
    try {
      await runHook(work, id, service, hook, output);
    } catch (error) {
      // A container that does not run any more needs no preparation.
      if (error instanceof Fault && (error.kind === "notFound" || error.kind === "conflict")) return;
      throw error;
    }
  }
}

/** Runs a command in a container. Throws a Fault when it fails. */
export async function runHook(
  work: Work,
  id: string,
  service: Service,
  hook: Hook,
  output?: HookOutput,
): Promise<void> {
  const { client } = work;
  const exec = await client.call(containerExec, {
    id,
    body: {
      User: hook.user ?? "",
      Privileged: hook.privileged ?? false,
      Tty: false,
      AttachStdin: false,
      AttachStdout: true,
      AttachStderr: true,
      DetachKeys: "",
      Env: Object.entries(hook.environment ?? {}).map(([name, value]) =>
        value === null ? name : `${name}=${value}`,
      ),
      WorkingDir: hook.working_dir ?? "",
      Cmd: [...(hook.command ?? [])],
    },
  });
  const { socket } = await client.hijack(execStart, { id: exec.Id, body: { Detach: false, Tty: false } });
  const frames = new FrameDecoder();
  const said = new HookSaid(output);
  for await (const chunk of socket)
    for (const { type, data } of frames.push(chunk as Uint8Array))
      said.take(type === FRAME_TYPES.stderr ? 2 : 1, data);
  const { ExitCode: code } = await client.call(execInspect, { id: exec.Id });
  const words = said.end();
  if (code === 0) return;
  const message = `${service.name} hook exited with status ${code}${words === "" ? "" : `: ${words}`}`;
  throw new Fault("system", message, { code: "compose.hook" });
}
