// The syntax tree of a template and its textual form, which Go uses in error messages (`at <.Foo>`).
// Plain data: nothing here parses or evaluates.

import { quote } from "./quote.ts";

export interface TextNode {
  readonly kind: "text";
  readonly pos: number;
  readonly text: string;
}
export interface ActionNode {
  readonly kind: "action";
  readonly pos: number;
  readonly pipe: PipeNode;
}
export interface BranchNode {
  readonly kind: "if" | "range" | "with";
  readonly pos: number;
  readonly pipe: PipeNode;
  readonly list: ListNode;
  readonly elseList: ListNode | undefined;
}
export interface LoopControlNode {
  readonly kind: "break" | "continue";
  readonly pos: number;
}
export interface TemplateNode {
  readonly kind: "template";
  readonly pos: number;
  readonly name: string;
  readonly pipe: PipeNode | undefined;
}
export interface ListNode {
  readonly kind: "list";
  readonly pos: number;
  readonly nodes: StatementNode[];
}
export type StatementNode = TextNode | ActionNode | BranchNode | LoopControlNode | TemplateNode;

export interface PipeNode {
  readonly kind: "pipe";
  readonly pos: number;
  readonly isAssign: boolean;
  readonly decl: readonly VariableNode[];
  readonly commands: readonly CommandNode[];
}
export interface CommandNode {
  readonly kind: "command";
  readonly pos: number;
  readonly args: readonly OperandNode[];
}
export interface FieldNode {
  readonly kind: "field";
  readonly pos: number;
  readonly idents: readonly string[];
}
export interface VariableNode {
  readonly kind: "variable";
  readonly pos: number;
  readonly idents: readonly string[];
}
export interface ChainNode {
  readonly kind: "chain";
  readonly pos: number;
  readonly node: OperandNode;
  readonly fields: readonly string[];
}
export interface IdentifierNode {
  readonly kind: "identifier";
  readonly pos: number;
  readonly name: string;
}
export interface DotNode {
  readonly kind: "dot";
  readonly pos: number;
}
export interface NilNode {
  readonly kind: "nil";
  readonly pos: number;
}
export interface BoolNode {
  readonly kind: "bool";
  readonly pos: number;
  readonly value: boolean;
}
export interface StringNode {
  readonly kind: "string";
  readonly pos: number;
  readonly quoted: string;
  readonly text: string;
}
/** A numeric literal: `int` when it is an integer value, `isFloat` when its spelling asks for a float64. */
export interface NumberNode {
  readonly kind: "number";
  readonly pos: number;
  readonly text: string;
  readonly int: bigint | undefined;
  readonly float: number;
  readonly isFloat: boolean;
  /** Set for literals that Go would make complex; nothing but their spelling is kept. */
  readonly isComplex: boolean;
}
export type OperandNode =
  | FieldNode
  | VariableNode
  | ChainNode
  | IdentifierNode
  | DotNode
  | NilNode
  | BoolNode
  | StringNode
  | NumberNode
  | PipeNode;

export type Node = StatementNode | OperandNode | CommandNode | ListNode;

/** Returns the node as template text, in the normal form that Go's error messages show. */
export function nodeText(node: Node): string {
  switch (node.kind) {
    case "text":
      return quote(node.text);
    case "action":
      return `{{${nodeText(node.pipe)}}}`;
    case "if":
    case "range":
    case "with": {
      const otherwise = node.elseList === undefined ? "" : `{{else}}${nodeText(node.elseList)}`;
      return `{{${node.kind} ${nodeText(node.pipe)}}}${nodeText(node.list)}${otherwise}{{end}}`;
    }
    case "break":
    case "continue":
      return `{{${node.kind}}}`;
    case "template":
      return `{{template ${quote(node.name)}${node.pipe === undefined ? "" : ` ${nodeText(node.pipe)}`}}}`;
    case "list":
      return node.nodes.map(nodeText).join("");
    case "pipe":
      return pipeText(node);
    case "command":
      return node.args.map(argumentText).join(" ");
    case "field":
      return node.idents.map((name) => `.${name}`).join("");
    case "variable":
      return node.idents.join(".");
    case "chain":
      return `${argumentText(node.node)}${node.fields.map((name) => `.${name}`).join("")}`;
    case "identifier":
      return node.name;
    case "dot":
      return ".";
    case "nil":
      return "nil";
    case "bool":
      return node.value ? "true" : "false";
    case "string":
      return node.quoted;
    case "number":
      return node.text;
  }
}

function argumentText(node: OperandNode): string {
  return node.kind === "pipe" ? `(${nodeText(node)})` : nodeText(node);
}

function pipeText(pipe: PipeNode): string {
  const body = pipe.commands.map(nodeText).join(" | ");
  if (pipe.decl.length === 0) return body;
  return `${pipe.decl.map(nodeText).join(", ")} ${pipe.isAssign ? "=" : ":="} ${body}`;
}
