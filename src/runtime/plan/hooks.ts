// Hooks of a specification as plans, and those of a container that has a shim: the ones that its own process runs, which are what CDI
// devices bring. What they look for in a bundle is beside the shim's socket.

import { posix } from "node:path";
import { Fault } from "../../lib/errors.ts";
import { type HookPlan, launched, type StateText } from "../../linux/launch.ts";
import { host as hostOp, type Op, OPCODES } from "../../linux/ops.ts";
import { DEFAULT_PATH } from "../spec/defaults.ts";
import type { OciHooks, OciSpec } from "../spec/oci.ts";
import type { PlanInput } from "./input.ts";

export type HookKind = keyof OciHooks;

/** Returns the hooks of a kind. Those that say nothing of an environment get `inherited`. */
export function planHooks(
  hooks: OciHooks,
  kind: HookKind,
  inherited: Readonly<Record<string, string | undefined>>,
): HookPlan[] {
  const env = Object.entries(inherited).map(([name, value]) => `${name}=${value ?? ""}`);
  return (hooks[kind] ?? []).map((hook, index) => ({
    label: `${kind} hook #${index}`,
    path: hook.path,
    args: hook.args ?? [],
    env: hook.env ?? env,
    timeoutMs: (hook.timeout ?? 0) * 1000,
  }));
}

/** Number in whose place keel puts the process'. */
const PID_MARK = 2 ** 31 - 2;

/** Returns a state, which is made for a process id, as text that keel completes. */
export function markedState(stateOf: (pid: number) => object): StateText {
  const [head = "", tail = ""] = JSON.stringify(stateOf(PID_MARK)).split(`${PID_MARK}`);
  return [head, tail];
}

/** Hooks that run in the host's namespaces: the daemon runs none of them. */
const CALLER_SIDE = ["prestart", "createRuntime", "poststart", "poststop"] as const;

/** Throws Fault notImplemented for hooks that only a command-line runtime runs. */
export function refuseCallerHooks(hooks: OciHooks): void {
  for (const kind of CALLER_SIDE)
    if (hooks[kind]?.length)
      throw new Fault("notImplemented", `hooks.${kind} is not supported by this version`, {
        code: "container.unsupported-field",
      });
}

/** The root is complete before the first of these, and the host's files are still there. */
const LEAVES_HOST: ReadonlySet<number> = new Set([OPCODES.console, OPCODES.pivot]);

/** Returns the container's operations with its hooks in their places: before the host's files go, and before the program. */
export function withInnerHooks(ops: readonly Op[], input: PlanInput): readonly Op[] {
  const { spec } = input;
  const inherited = { PATH: DEFAULT_PATH };
  const before = planHooks(spec.hooks ?? {}, "createContainer", inherited);
  const late = planHooks(spec.hooks ?? {}, "startContainer", inherited);
  if (before.length + late.length === 0) return ops;
  const leaving = ops.findIndex(([code]) => LEAVES_HOST.has(code));
  const hooks = (list: HookPlan[], status: string) =>
    list.length === 0 ? [] : [launched.hooks(list, stateOf(input, status))];
  return [
    ...ops.slice(0, leaving),
    ...hooks(before, "creating"),
    ...ops.slice(leaving, -1),
    ...hooks(late, "created"),
    ...ops.slice(-1),
  ];
}

function stateOf({ id, spec, stateDir }: PlanInput, status: string): StateText {
  const { ociVersion, annotations = {} } = spec;
  return markedState((pid) => ({ ociVersion, id, status, pid, bundle: stateDir, annotations }));
}

/** Returns what makes the shim's directory the bundle that hooks read. */
export function bundleForHooks({ spec, stateDir, rootTarget }: PlanInput): Op[] {
  if (!spec.hooks?.createContainer?.length && !spec.hooks?.startContainer?.length) return [];
  const config: OciSpec = { ...spec, root: { ...spec.root, path: rootTarget } };
  return [hostOp.put(posix.join(stateDir, "config.json"), JSON.stringify(config), 0o600)];
}
