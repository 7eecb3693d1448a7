// The policy of one socket: read-only, a list of operations, or the objects with certain labels; what several of them allow
// together is allowed. Judged last, in the same step in which the operation begins, so that nothing changes in between.

import { Fault } from "../../lib/errors.ts";
import type { OperationSpec } from "../../api/contract.ts";
import type { Gate, GatedRequest } from "./gate.ts";
import { LabelScope, type ScopeWorld } from "./label-scope.ts";

export interface PolicyConfig {
  readonly isReadOnly: boolean;
  /** Names of the API's operations; undefined for all. */
  readonly operations: readonly string[] | undefined;
  /** Labels that objects must have; undefined for all objects. */
  readonly labels: Readonly<Record<string, string>> | undefined;
  /** What a scope of labels allows besides: see label-scope.ts. */
  readonly allow: readonly Allowance[];
}

export type Allowance = "binds" | "privileged" | "images";

/** Who may not even ask these cannot agree upon a version. */
const ALWAYS = ["SystemPing", "SystemPingHead", "SystemVersion"];

export class Policy implements Gate {
  readonly #config: PolicyConfig;
  readonly #scope: LabelScope | undefined;

  constructor(config: PolicyConfig, world: ScopeWorld) {
    this.#config = config;
    this.#scope =
      config.labels === undefined ? undefined : new LabelScope(config.labels, config.allow, world);
  }

  admit({ operation, input }: GatedRequest): void {
    if (ALWAYS.includes(operation.name)) return;
    const { isReadOnly, operations } = this.#config;
    if (isReadOnly && !isRead(operation, input)) throw refused(operation, "this socket is read-only");
    if (operations !== undefined && !operations.includes(operation.name))
      throw refused(operation, "it is not among the operations of this socket");
    this.#scope?.narrow(operation.name, input);
  }
}

/**
 * Whether an operation changes nothing. A connection that is taken over can carry input to a container and is none, whatever its
 * method; an export that pauses the users of a volume is none either, nor a look into a directory of the host's that the caller names.
 */
export function isRead(
  { name, method, success }: OperationSpec,
  input: Readonly<Record<string, unknown>>,
): boolean {
  if (name === "ContainerWait") return true;
  if (name === "ContainerCheckpoints" && input["dir"]) return false;
  return (method === "GET" || method === "HEAD") && success.kind !== "hijack" && input["pause"] !== true;
}

function refused({ name }: OperationSpec, why: string): Fault {
  return new Fault("forbidden", `${name} is not allowed here: ${why}`, { code: "access.denied" });
}
