// Execution of a parsed template on a value: text, conditions, loops, calls of other templates. Bounded: call depth and
// output size. Values are read only; templates can do nothing but compute text.

import { Fault } from "../lib/errors.ts";
import { Evaluator, type ExecOptions } from "./evaluate.ts";
import type { BranchNode, ListNode, Node, StatementNode, TemplateNode } from "./nodes.ts";
import { nodeText } from "./nodes.ts";
import { formatValue } from "./print.ts";
import { quote } from "./quote.ts";
import { isTrue, kindOf, mapEntries, typeName } from "./values.ts";

/** Nesting of {{template}} calls; Go allows 100000, which is more than a JavaScript stack holds. */
const maxCalls = 1000;
const maxOutput = 64 << 20;

type Flow = "break" | "continue" | undefined;

/** Runs the named template on the value. Throws a Fault `template.execute` with Go's message. */
export function executeTemplate(name: string, data: unknown, options: ExecOptions): string {
  const tree = options.trees.get(name);
  if (tree === undefined) {
    const message = `template: ${name}: ${quote(name)} is an incomplete or empty template`;
    throw new Fault("invalidParameter", message, { code: "template.execute" });
  }
  const run = new Run(options, tree);
  run.start(data);
  return run.output();
}

class Run extends Evaluator {
  private calls = 0;
  private readonly parts: string[] = [];
  private size = 0;

  start(data: unknown): void {
    this.vars = [{ name: "$", value: data }];
    this.list(data, this.tree.root);
  }

  output(): string {
    return this.parts.join("");
  }

  private list(dot: unknown, list: ListNode): Flow {
    for (const node of list.nodes) {
      const flow = this.statement(dot, node);
      if (flow !== undefined) return flow;
    }
    return undefined;
  }

  private statement(dot: unknown, node: StatementNode): Flow {
    this.node = node;
    switch (node.kind) {
      case "text":
        this.write(node.text);
        return undefined;
      case "action": {
        const value = this.pipeline(dot, node.pipe);
        if (node.pipe.decl.length === 0) this.print(node, value);
        return undefined;
      }
      case "break":
      case "continue":
        return node.kind;
      case "if":
      case "with":
        return this.conditional(dot, node);
      case "range":
        this.range(dot, node);
        return undefined;
      case "template":
        this.invoke(dot, node);
        return undefined;
    }
  }

  private conditional(dot: unknown, node: BranchNode): Flow {
    const scope = this.vars.length;
    const value = this.pipeline(dot, node.pipe);
    let flow: Flow;
    if (isTrue(value)) flow = this.list(node.kind === "with" ? value : dot, node.list);
    else if (node.elseList !== undefined) flow = this.list(dot, node.elseList);
    this.vars.length = scope;
    return flow;
  }

  private range(dot: unknown, node: BranchNode): void {
    const scope = this.vars.length;
    const value = this.pipeline(dot, node.pipe);
    const inner = this.vars.length;
    let count = 0;
    for (const [index, item] of this.iterate(value, node)) {
      count++;
      this.bind(node, index, item);
      const flow = this.list(item, node.list);
      this.vars.length = inner;
      if (flow === "break") break;
    }
    if (count === 0 && node.elseList !== undefined) this.list(dot, node.elseList);
    this.vars.length = scope;
  }

  private *iterate(value: unknown, node: BranchNode): Generator<[unknown, unknown]> {
    switch (kindOf(value)) {
      case "int":
        if (node.pipe.decl.length > 1) {
          this.fail(`can't use ${formatValue(value, "v")} to iterate over more than one variable`);
        }
        for (let index = 0; index < Number(value); index++) yield [index, index];
        return;
      case "slice":
        if (Array.isArray(value)) yield* value.entries();
        return;
      case "map":
        yield* mapEntries(value);
        return;
      case "invalid":
        // Go treats a nil like an empty list here.
        return;
      default:
        this.fail(`range can't iterate over ${formatValue(value, "v")}`);
    }
  }

  private bind(node: BranchNode, index: unknown, item: unknown): void {
    const { decl, isAssign } = node.pipe;
    const [first, second] = decl;
    if (first === undefined) return;
    const pairs: [string, unknown][] =
      second === undefined
        ? [[first.idents[0] ?? "", item]]
        : [
            [first.idents[0] ?? "", index],
            [second.idents[0] ?? "", item],
          ];
    for (const [offset, [name, value]] of pairs.entries()) {
      if (isAssign) this.assign(name, value);
      else {
        const variable = this.vars[this.vars.length - pairs.length + offset];
        if (variable !== undefined) variable.value = value;
      }
    }
  }

  private invoke(dot: unknown, node: TemplateNode): void {
    const tree = this.options.trees.get(node.name);
    if (tree === undefined) this.fail(`template ${quote(node.name)} not defined`);
    if (this.calls >= maxCalls) this.fail(`exceeded maximum template depth (${maxCalls})`);
    const value = node.pipe === undefined ? undefined : this.pipeline(dot, node.pipe);
    const outer = { tree: this.tree, vars: this.vars };
    this.tree = tree;
    this.vars = [{ name: "$", value }];
    this.calls++;
    this.list(value, tree.root);
    this.calls--;
    this.tree = outer.tree;
    this.vars = outer.vars;
  }

  private print(node: Node, value: unknown): void {
    this.node = node;
    const kind = kindOf(value);
    if (kind === "func") this.fail(`can't print ${nodeText(node)} of type ${typeName(value)}`);
    if (kind === "invalid") this.write("<no value>");
    else this.write(kind === "struct" ? formatValue(value, "v").replace(/^&/, "") : formatValue(value, "v"));
  }

  private write(text: string): void {
    this.size += text.length;
    if (this.size > maxOutput) this.fail("output is too large");
    this.parts.push(text);
  }
}
