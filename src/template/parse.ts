// Grammar of Go's text/template: tokens to syntax trees, one per named template. Reports Go's own messages
// (`template: name:line: unexpected "x" in operand`). Bounded: source length and nesting depth.

import { Fault } from "../lib/errors.ts";
import { isKeyword, type Token, type TokenType, tokenize } from "./lex.ts";
import type {
  BranchNode,
  CommandNode,
  ListNode,
  OperandNode,
  PipeNode,
  StatementNode,
  VariableNode,
} from "./nodes.ts";
import { nodeText } from "./nodes.ts";
import { parseNumber } from "./number.ts";
import { quote, unquote } from "./quote.ts";

const maxSource = 1 << 20;
const maxDepth = 500;

/** One named template: its tree and the text it came from (for positions in errors). */
export interface Tree {
  readonly name: string;
  readonly parseName: string;
  readonly source: string;
  root: ListNode;
}

/** What ended a list of statements. */
type Terminator = { readonly kind: "end" | "else" };

/**
 * Parses a template; the result holds the main template under its name and every {{define}} and {{block}}.
 * Throws a Fault `template.syntax` with Go's message.
 */
export function parseTemplate(
  name: string,
  source: string,
  hasFunction: (name: string) => boolean,
): Map<string, Tree> {
  if (source.length > maxSource) throw syntax(`template: ${name}:1: template is too long`);
  const parser = new Parser(name, source, hasFunction);
  parser.parse();
  return parser.trees;
}

function syntax(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "template.syntax" });
}

class Parser {
  readonly trees = new Map<string, Tree>();
  private readonly name: string;
  private readonly source: string;
  private readonly tokens: Token[];
  private readonly hasFunction: (name: string) => boolean;
  private at = 0;
  /** Furthest token looked at: Go reports the line of the last token its scanner gave out. */
  private seen = 0;
  private vars: string[] = ["$"];
  private rangeDepth = 0;
  private depth = 0;
  private actionLine = 0;

  constructor(name: string, source: string, hasFunction: (name: string) => boolean) {
    this.name = name;
    this.source = source;
    this.hasFunction = hasFunction;
    this.tokens = tokenize(source);
  }

  parse(): void {
    const root: ListNode = { kind: "list", pos: this.peek().pos, nodes: [] };
    while (this.peek().type !== "eof") {
      if (this.peek().type === "open" && this.isDefinition()) {
        this.definition();
        continue;
      }
      const node = this.textOrAction();
      if (isTerminator(node)) this.fail(`unexpected {{${node.kind}}}`);
      else root.nodes.push(node);
    }
    this.add(this.name, root);
  }

  private isDefinition(): boolean {
    let at = this.at + 1;
    while (this.tokens[at]?.type === "space") at++;
    return this.tokens[at]?.type === "define";
  }

  private definition(): void {
    const context = "define clause";
    const outer = { vars: this.vars, rangeDepth: this.rangeDepth };
    this.vars = ["$"];
    this.rangeDepth = 0;
    this.next();
    this.nextNonSpace();
    const name = this.templateName(this.nextNonSpace(), context);
    this.expect("close", context);
    const [root, end] = this.itemList();
    if (end.kind !== "end") this.fail(`unexpected {{${end.kind}}} in ${context}`);
    this.add(name, root);
    this.vars = outer.vars;
    this.rangeDepth = outer.rangeDepth;
  }

  /** Registers a tree; a non-empty one replaces an empty one, two non-empty ones are an error. */
  private add(name: string, root: ListNode): void {
    const known = this.trees.get(name);
    if (known !== undefined && !isEmptyList(known.root)) {
      if (!isEmptyList(root)) this.fail(`template: multiple definition of template ${quote(name)}`);
      return;
    }
    this.trees.set(name, { name, parseName: this.name, source: this.source, root });
  }

  private itemList(): [ListNode, Terminator] {
    const list: ListNode = { kind: "list", pos: this.peekNonSpace().pos, nodes: [] };
    while (this.peekNonSpace().type !== "eof") {
      const node = this.textOrAction();
      if (isTerminator(node)) return [list, node];
      list.nodes.push(node);
    }
    return this.fail("unexpected EOF");
  }

  private textOrAction(): StatementNode | Terminator {
    const token = this.nextNonSpace();
    if (token.type === "text") return { kind: "text", pos: token.pos, text: token.value };
    if (token.type !== "open") return this.unexpected(token, "input");
    this.actionLine = token.line;
    const node = this.action();
    this.actionLine = 0;
    return node;
  }

  private action(): StatementNode | Terminator {
    const token = this.peekNonSpace();
    switch (token.type) {
      case "block":
        this.nextNonSpace();
        return this.block();
      case "break":
      case "continue":
        this.nextNonSpace();
        return this.loopControl(token, token.type);
      case "else":
        this.nextNonSpace();
        return this.elseControl();
      case "end":
        this.nextNonSpace();
        this.expect("close", "end");
        return { kind: "end" };
      case "if":
      case "range":
      case "with":
        this.nextNonSpace();
        return this.branch(token.type);
      case "template":
        this.nextNonSpace();
        return this.invocation();
    }
    // Variables declared here live until the enclosing {{end}}.
    return { kind: "action", pos: token.pos, pipe: this.pipeline("command", "close") };
  }

  private elseControl(): Terminator {
    const next = this.peekNonSpace().type;
    if (next !== "if" && next !== "with") this.expect("close", "else");
    return { kind: "else" };
  }

  private loopControl(token: Token, kind: "break" | "continue"): StatementNode {
    const next = this.nextNonSpace();
    if (next.type !== "close") this.unexpected(next, `{{${kind}}}`);
    if (this.rangeDepth === 0) this.fail(`{{${kind}}} outside {{range}}`);
    return { kind, pos: token.pos };
  }

  private branch(kind: "if" | "range" | "with"): BranchNode {
    this.enter();
    const scope = this.vars.length;
    const pipe = this.pipeline(kind, "close");
    if (kind === "range") this.rangeDepth++;
    const [list, end] = this.itemList();
    if (kind === "range") this.rangeDepth--;
    const elseList = end.kind === "else" ? this.elseBranch(kind) : undefined;
    this.vars.length = scope;
    this.depth--;
    return { kind, pos: pipe.pos, pipe, list, elseList };
  }

  private elseBranch(kind: "if" | "range" | "with"): ListNode {
    // `{{else if}}` and `{{else with}}` nest another branch that shares the one {{end}}.
    if (kind !== "range" && this.peekNonSpace().type === kind) {
      const pos = this.nextNonSpace().pos;
      return { kind: "list", pos, nodes: [this.branch(kind)] };
    }
    const [list, end] = this.itemList();
    if (end.kind !== "end") this.fail(`expected end; found {{${end.kind}}}`);
    return list;
  }

  private block(): StatementNode {
    const context = "block clause";
    const token = this.nextNonSpace();
    const name = this.templateName(token, context);
    const pipe = this.pipeline(context, "close");
    const outer = this.vars;
    const outerRange = this.rangeDepth;
    this.enter();
    this.vars = ["$"];
    this.rangeDepth = 0;
    const [root, end] = this.itemList();
    if (end.kind !== "end") this.fail(`unexpected {{${end.kind}}} in ${context}`);
    this.add(name, root);
    this.vars = outer;
    this.rangeDepth = outerRange;
    this.depth--;
    return { kind: "template", pos: token.pos, name, pipe };
  }

  private invocation(): StatementNode {
    const context = "template clause";
    const token = this.nextNonSpace();
    const name = this.templateName(token, context);
    let pipe: PipeNode | undefined;
    if (this.peekNonSpace().type === "close") this.nextNonSpace();
    else pipe = this.pipeline(context, "close");
    return { kind: "template", pos: token.pos, name, pipe };
  }

  private templateName(token: Token, context: string): string {
    if (token.type !== "string" && token.type !== "rawString") return this.unexpected(token, context);
    return unquote(token.value) ?? this.fail("invalid syntax");
  }

  private pipeline(context: string, end: TokenType): PipeNode {
    this.enter();
    const pos = this.peekNonSpace().pos;
    const declared = this.declarations(context);
    const commands: CommandNode[] = [];
    for (;;) {
      const token = this.nextNonSpace();
      if (token.type === end) break;
      if (!startsOperand(token.type)) this.unexpected(token, context);
      this.at--;
      commands.push(this.command());
    }
    this.checkPipeline(commands, context);
    this.depth--;
    return { kind: "pipe", pos, ...declared, commands };
  }

  private declarations(context: string): { decl: VariableNode[]; isAssign: boolean } {
    const decl: VariableNode[] = [];
    for (;;) {
      const variable = this.peekNonSpace();
      if (variable.type !== "variable") return { decl, isAssign: false };
      const start = this.at;
      this.next();
      const next = this.peekNonSpace();
      if (next.type !== "assign" && next.type !== "declare" && next.value !== ",") {
        this.at = start;
        return { decl, isAssign: false };
      }
      this.nextNonSpace();
      decl.push({ kind: "variable", pos: variable.pos, idents: [variable.value] });
      this.vars.push(variable.value);
      if (next.type === "assign" || next.type === "declare")
        return { decl, isAssign: next.type === "assign" };
      if (context !== "range" || decl.length >= 2) this.fail(`too many declarations in ${context}`);
      const after = this.peekNonSpace().type;
      if (after !== "variable" && after !== "close" && after !== "rightParen") {
        this.fail("range can only initialize variables");
      }
    }
  }

  private checkPipeline(commands: readonly CommandNode[], context: string): void {
    if (commands.length === 0) this.fail(`missing value for ${context}`);
    for (const [index, command] of commands.slice(1).entries()) {
      const first = command.args[0]?.kind;
      if (
        first === "bool" ||
        first === "dot" ||
        first === "nil" ||
        first === "number" ||
        first === "string"
      ) {
        this.fail(`non executable command in pipeline stage ${index + 2}`);
      }
    }
  }

  private command(): CommandNode {
    const pos = this.peekNonSpace().pos;
    const args: OperandNode[] = [];
    for (;;) {
      this.peekNonSpace();
      const operand = this.operand();
      if (operand !== undefined) args.push(operand);
      const token = this.next();
      if (token.type === "space") continue;
      if (token.type === "close" || token.type === "rightParen") this.at--;
      else if (token.type !== "pipe") this.unexpected(token, "operand");
      break;
    }
    if (args.length === 0) this.fail("empty command");
    return { kind: "command", pos, args };
  }

  private operand(): OperandNode | undefined {
    const node = this.term();
    if (node === undefined || this.peek().type !== "field") return node;
    const pos = this.peek().pos;
    const fields: string[] = [];
    while (this.peek().type === "field") fields.push(this.next().value.slice(1));
    switch (node.kind) {
      case "field":
        return { kind: "field", pos, idents: [...node.idents, ...fields] };
      case "variable":
        return { kind: "variable", pos, idents: [...node.idents, ...fields] };
      case "bool":
      case "string":
      case "number":
      case "nil":
      case "dot":
        return this.fail(`unexpected . after term ${quote(nodeText(node))}`);
      default:
        return { kind: "chain", pos, node, fields };
    }
  }

  private term(): OperandNode | undefined {
    const token = this.nextNonSpace();
    const { pos, value } = token;
    switch (token.type) {
      case "identifier":
        if (!this.hasFunction(value)) this.fail(`function ${quote(value)} not defined`);
        return { kind: "identifier", pos, name: value };
      case "dot":
        return { kind: "dot", pos };
      case "nil":
        return { kind: "nil", pos };
      case "variable":
        if (!this.vars.includes(value)) this.fail(`undefined variable ${quote(value)}`);
        return { kind: "variable", pos, idents: [value] };
      case "field":
        return { kind: "field", pos, idents: [value.slice(1)] };
      case "bool":
        return { kind: "bool", pos, value: value === "true" };
      case "number":
      case "complex":
      case "charConstant": {
        const number = parseNumber(value, pos, token.type);
        return typeof number === "string" ? this.fail(number) : number;
      }
      case "leftParen":
        return this.pipeline("parenthesized pipeline", "rightParen");
      case "string":
      case "rawString":
        return { kind: "string", pos, quoted: value, text: unquote(value) ?? this.fail("invalid syntax") };
    }
    this.at--;
    return undefined;
  }

  private enter(): void {
    if (++this.depth > maxDepth) this.fail("template is nested too deeply");
  }

  private peek(): Token {
    this.seen = Math.max(this.seen, this.at);
    return this.tokens[Math.min(this.at, this.tokens.length - 1)] as Token;
  }

  private next(): Token {
    const token = this.peek();
    this.at++;
    return token;
  }

  private peekNonSpace(): Token {
    while (this.peek().type === "space") this.at++;
    return this.peek();
  }

  private nextNonSpace(): Token {
    this.peekNonSpace();
    return this.next();
  }

  private expect(type: TokenType, context: string): Token {
    const token = this.nextNonSpace();
    return token.type === type ? token : this.unexpected(token, context);
  }

  private unexpected(token: Token, context: string): never {
    if (token.type !== "error") return this.fail(`unexpected ${describe(token)} in ${context}`);
    let extra = "";
    if (this.actionLine !== 0 && this.actionLine !== token.line) {
      extra = ` in action started at ${this.name}:${this.actionLine}`;
      if (token.value.endsWith(" action")) extra = extra.slice(" in action".length);
    }
    return this.fail(`${token.value}${extra}`);
  }

  private fail(message: string): never {
    const line = this.tokens[Math.min(this.seen, this.tokens.length - 1)]?.line ?? 1;
    throw syntax(`template: ${this.name}:${line}: ${message}`);
  }
}

function isTerminator(node: StatementNode | Terminator): node is Terminator {
  return node.kind === "end" || node.kind === "else";
}

function isEmptyList(list: ListNode): boolean {
  return list.nodes.every((node) => node.kind === "text" && node.text.trim() === "");
}

function startsOperand(type: TokenType): boolean {
  switch (type) {
    case "bool":
    case "charConstant":
    case "complex":
    case "dot":
    case "field":
    case "identifier":
    case "number":
    case "nil":
    case "rawString":
    case "string":
    case "variable":
    case "leftParen":
      return true;
    default:
      return false;
  }
}

/** Renders a token as Go's scanner does in "unexpected …" messages. */
function describe(token: Token): string {
  if (token.type === "eof") return "EOF";
  if (isKeyword(token.type) || token.type === "dot") return `<${token.value}>`;
  const chars = [...token.value];
  return chars.length > 10 ? `${quote(chars.slice(0, 10).join(""))}...` : quote(token.value);
}
