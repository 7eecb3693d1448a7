// Values of a template's expressions: pipelines, commands, fields of structs and maps, methods and functions with their
// arguments, variables. Go's rules and Go's error texts. Statements are in exec.ts, which builds on this.

import { Fault, messageOf } from "../lib/errors.ts";
import type { CommandNode, Node, NumberNode, OperandNode, PipeNode } from "./nodes.ts";
import { nodeText } from "./nodes.ts";
import type { Tree } from "./parse.ts";
import { formatValue } from "./print.ts";
import { quote } from "./quote.ts";
import {
  GoFloat,
  type GoFunc,
  GoMap,
  GoNil,
  GoStruct,
  isFunc,
  isTrue,
  kindOf,
  mapGet,
  mapHas,
  type ParamType,
  typeName,
} from "./values.ts";

/** Absence of a piped argument, which is not the same as a nil one. */
const missing = Symbol("missing");

/** What a missing map key gives: nothing (`<no value>`), the element's zero value, or an error. */
export type MissingKey = "invalid" | "zero" | "error";

export interface ExecOptions {
  readonly trees: ReadonlyMap<string, Tree>;
  readonly functions: Readonly<Record<string, GoFunc>>;
  readonly missingKey: MissingKey;
}

interface Variable {
  readonly name: string;
  value: unknown;
}

/** Evaluates expressions of one template after another; knows where it is, for errors. */
export class Evaluator {
  protected readonly options: ExecOptions;
  protected tree: Tree;
  protected vars: Variable[] = [];
  protected node: Node | undefined;
  constructor(options: ExecOptions, tree: Tree) {
    this.options = options;
    this.tree = tree;
  }

  protected pipeline(dot: unknown, pipe: PipeNode): unknown {
    this.node = pipe;
    let value: unknown = missing;
    for (const command of pipe.commands) value = this.command(dot, command, value);
    for (const variable of pipe.decl) {
      const name = variable.idents[0] ?? "";
      if (pipe.isAssign) this.assign(name, value);
      else this.vars.push({ name, value });
    }
    return value;
  }

  private command(dot: unknown, command: CommandNode, final: unknown): unknown {
    const first = command.args[0] as OperandNode;
    switch (first.kind) {
      case "field":
        this.node = first;
        return this.fieldChain(dot, dot, first, first.idents, command.args, final);
      case "chain":
        return this.chain(dot, first, command.args, final);
      case "identifier":
        return this.func(dot, first.name, first, command, command.args, final);
      case "pipe":
        this.notAFunction(command.args, final);
        return this.pipeline(dot, first);
      case "variable":
        return this.variable(dot, first, command.args, final);
    }
    this.node = first;
    this.notAFunction(command.args, final);
    switch (first.kind) {
      case "dot":
        return dot;
      case "nil":
        return this.fail("nil is not a command");
      default:
        return this.constant(first);
    }
  }

  private constant(node: OperandNode): unknown {
    switch (node.kind) {
      case "bool":
        return node.value;
      case "string":
        return node.text;
      case "number":
        return this.number(node);
      default:
        return this.fail(`can't handle assignment of ${nodeText(node)} to empty interface argument`);
    }
  }

  private number(node: NumberNode): unknown {
    this.node = node;
    if (node.isComplex) this.fail(`complex numbers are not supported: ${node.text}`);
    if (node.isFloat || node.int === undefined) return new GoFloat(node.float);
    if (node.int >= 2n ** 63n) this.fail(`${node.text} overflows int`);
    return Number.isSafeInteger(node.float) ? node.float : node.int;
  }

  private notAFunction(args: readonly OperandNode[], final: unknown): void {
    if (args.length > 1 || final !== missing) {
      this.fail(`can't give argument to non-function ${nodeText(args[0] as OperandNode)}`);
    }
  }

  private chain(
    dot: unknown,
    node: OperandNode & { kind: "chain" },
    args: readonly OperandNode[],
    final: unknown,
  ): unknown {
    this.node = node;
    const value = this.argument(dot, "any", node.node);
    return this.fieldChain(dot, value, node, node.fields, args, final);
  }

  private variable(
    dot: unknown,
    node: OperandNode & { kind: "variable" },
    args: readonly OperandNode[],
    final: unknown,
  ): unknown {
    this.node = node;
    const [name = "", ...fields] = node.idents;
    const value = this.lookup(name);
    if (fields.length > 0) return this.fieldChain(dot, value, node, fields, args, final);
    this.notAFunction(args.length > 0 ? args : [node], final);
    return value;
  }

  private fieldChain(
    dot: unknown,
    receiver: unknown,
    node: Node,
    names: readonly string[],
    args: readonly OperandNode[],
    final: unknown,
  ): unknown {
    let value = receiver;
    let container: unknown;
    for (const [index, name] of names.entries()) {
      const isLast = index === names.length - 1;
      const inner = value;
      // What a map of interfaces holds has the static type interface {}, and errors say so.
      const type = isUntyped(container) ? "interface {}" : typeName(inner);
      value = this.field(dot, { name, type }, node, isLast ? args : [], isLast ? final : missing, inner);
      container = inner;
    }
    return value;
  }

  private field(
    dot: unknown,
    { name, type }: { name: string; type: string },
    node: Node,
    args: readonly OperandNode[],
    final: unknown,
    receiver: unknown,
  ): unknown {
    const hasArgs = args.length > 1 || final !== missing;
    const kind = kindOf(receiver);
    if (kind === "invalid") {
      if (this.options.missingKey === "error") this.fail(`nil data; no entry for key ${quote(name)}`);
      return undefined;
    }
    if (receiver instanceof GoStruct) {
      const method = Object.hasOwn(receiver.methods, name) ? receiver.methods[name] : undefined;
      if (method !== undefined) return this.call(dot, method, name, node, args, final);
      if (receiver.fields.has(name)) {
        if (hasArgs) this.fail(`${name} has arguments but cannot be invoked as function`);
        return receiver.fields.get(name);
      }
    } else if (kind === "map") {
      if (hasArgs) this.fail(`${name} is not a method but has arguments`);
      return this.mapField(receiver, name);
    } else if (receiver instanceof GoNil && receiver.fields?.includes(name) === true) {
      this.fail(`nil pointer evaluating ${receiver.type}.${name}`);
    }
    return this.fail(`can't evaluate field ${name} in type ${type}`);
  }

  private mapField(map: unknown, name: string): unknown {
    if (mapHas(map, name)) return mapGet(map, name);
    switch (this.options.missingKey) {
      case "invalid":
        return undefined;
      case "zero":
        return map instanceof GoMap || map instanceof GoNil ? map.zero : undefined;
      case "error":
        return this.fail(`map has no entry for key ${quote(name)}`);
    }
  }

  private func(
    dot: unknown,
    name: string,
    node: Node,
    call: Node,
    args: readonly OperandNode[],
    final: unknown,
  ): unknown {
    this.node = node;
    const { functions } = this.options;
    const target = Object.hasOwn(functions, name) ? functions[name] : undefined;
    if (target === undefined) return this.fail(`${quote(name)} is not a defined function`);
    if ((name === "and" || name === "or") && target.variadic === "any") {
      return this.shortCircuit(dot, name, args.slice(1), final);
    }
    return this.call(dot, target, name, call, args, final);
  }

  /** and/or stop at the first operand that decides, without evaluating the rest. */
  private shortCircuit(
    dot: unknown,
    name: "and" | "or",
    args: readonly OperandNode[],
    final: unknown,
  ): unknown {
    if (args.length === 0 && final === missing) {
      this.fail(`wrong number of args for ${name}: want at least 1 got 0`);
    }
    let value: unknown;
    for (const arg of args) {
      value = this.argument(dot, "any", arg);
      if (isTrue(value) === (name === "or")) return value;
    }
    return final === missing ? value : final;
  }

  private call(
    dot: unknown,
    target: GoFunc,
    name: string,
    node: Node,
    args: readonly OperandNode[],
    final: unknown,
  ): unknown {
    const given = args.slice(1);
    const count = given.length + (final === missing ? 0 : 1);
    const fixed = target.params.length;
    if (target.variadic === undefined ? count !== fixed : count < fixed) {
      const least = target.variadic === undefined ? "" : "at least ";
      const got = target.variadic === undefined ? count : given.length;
      this.fail(`wrong number of args for ${name}: want ${least}${fixed} got ${got}`);
    }
    const typeAt = (index: number): ParamType => target.params[index] ?? target.variadic ?? "any";
    const values = given.map((arg, index) => this.argument(dot, typeAt(index), arg));
    if (final !== missing) values.push(this.checked(final, typeAt(values.length)));
    if (name === "call" && target.variadic === "any") return this.callValue(values, given, node);
    try {
      return target.call(...(values as never[]));
    } catch (error) {
      this.node = node;
      return this.fail(`error calling ${name}: ${messageOf(error)}`);
    }
  }

  private callValue(values: readonly unknown[], given: readonly OperandNode[], node: Node): unknown {
    const [target, ...rest] = values;
    const label = given[0] === undefined ? formatValue(target, "v") : nodeText(given[0]);
    const refuse = (why: string): never => {
      this.node = node;
      return this.fail(`error calling call: ${why}`);
    };
    if (kindOf(target) === "invalid") return refuse("call of nil");
    if (!isFunc(target)) return refuse(`non-function ${label} of type ${typeName(target)}`);
    const fixed = target.params.length;
    if (target.variadic === undefined ? rest.length !== fixed : rest.length < fixed) {
      const want = target.variadic === undefined ? `${fixed}` : `at least ${fixed}`;
      return refuse(`wrong number of args for ${label}: got ${rest.length} want ${want}`);
    }
    try {
      return target.call(...(rest as never[]));
    } catch (error) {
      return refuse(`error calling ${label}: ${messageOf(error)}`);
    }
  }

  private argument(dot: unknown, type: ParamType, node: OperandNode): unknown {
    this.node = node;
    switch (node.kind) {
      case "dot":
        return this.checked(dot, type);
      case "nil":
        if (type === "any") return undefined;
        if (type === "[]string") return new GoNil(type);
        return this.fail(`cannot assign nil to ${type}`);
      case "field":
        return this.checked(this.fieldChain(dot, dot, node, node.idents, [node], missing), type);
      case "variable":
        return this.checked(this.variable(dot, node, [], missing), type);
      case "pipe":
        return this.checked(this.pipeline(dot, node), type);
      case "identifier":
        return this.checked(this.func(dot, node.name, node, node, [], missing), type);
      case "chain":
        return this.checked(this.chain(dot, node, [], missing), type);
    }
    return this.literal(node, type);
  }

  private literal(node: OperandNode, type: ParamType): unknown {
    switch (type) {
      case "any":
        return this.constant(node);
      case "string":
        return node.kind === "string" ? node.text : this.fail(`expected string; found ${nodeText(node)}`);
      case "bool":
        return node.kind === "bool" ? node.value : this.fail(`expected bool; found ${nodeText(node)}`);
      case "int":
        if (node.kind === "number" && node.int !== undefined) return Number(node.int);
        return this.fail(`expected integer; found ${nodeText(node)}`);
      case "[]string":
        return this.fail(`can't handle ${nodeText(node)} for arg of type []string`);
    }
  }

  /** Checks a computed value against the parameter's type, as Go's assignability does. */
  private checked(value: unknown, type: ParamType): unknown {
    if (type === "any") return value;
    const kind = kindOf(value);
    if (kind === "invalid") {
      return type === "[]string" ? new GoNil(type) : this.fail(`invalid value; expected ${type}`);
    }
    if (type === "[]string") {
      if (value instanceof GoNil ? value.type === type : isStringSlice(value)) return value;
    } else if (kind === type) return value;
    return this.fail(`wrong type for value; expected ${type}; got ${typeName(value)}`);
  }

  private lookup(name: string): unknown {
    for (let at = this.vars.length - 1; at >= 0; at--) {
      const variable = this.vars[at] as Variable;
      if (variable.name === name) return variable.value;
    }
    return this.fail(`undefined variable: ${name}`);
  }

  protected assign(name: string, value: unknown): void {
    for (let at = this.vars.length - 1; at >= 0; at--) {
      const variable = this.vars[at] as Variable;
      if (variable.name !== name) continue;
      variable.value = value;
      return;
    }
    this.fail(`undefined variable: ${name}`);
  }

  protected fail(message: string): never {
    const { parseName, name, source } = this.tree;
    const pos = this.node?.pos ?? 0;
    const before = source.slice(0, pos);
    const lineStart = before.lastIndexOf("\n") + 1;
    const line = before.split("\n").length;
    const column = Buffer.byteLength(before.slice(lineStart));
    const at = this.node === undefined ? "" : ` at <${nodeText(this.node)}>`;
    throw new Fault(
      "invalidParameter",
      `template: ${parseName}:${line}:${column}: executing ${quote(name)}${at}: ${message}`,
      { code: "template.execute" },
    );
  }
}

function isUntyped(container: unknown): boolean {
  return kindOf(container) === "map" && typeName(container) === "map[string]interface {}";
}

function isStringSlice(value: unknown): boolean {
  return Array.isArray(value) && (value.length === 0 || typeName(value) === "[]string");
}
