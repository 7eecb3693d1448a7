// What an engine refuses (a signal that it does not know, a capability, a mode), told with the place in the file where it is written:
// the engine names the value, the files' tree knows where that is.

import { Fault } from "../../lib/errors.ts";
import type { Project, Service } from "../model/project.ts";
import { child, type Node, printScalar } from "../tree/node.ts";
import { showPosition } from "../tree/problem.ts";

/** Where the failure's value stands in what the files say of a service, at the end of its message; other failures as they are. */
export function withPlace(error: unknown, { tree }: Project, { name }: Service): unknown {
  if (!(error instanceof Fault) || error.kind !== "invalidParameter") return error;
  const service = child(child(tree, "services"), name);
  const found = service === undefined ? undefined : longestIn(service, error.message, `services.${name}`);
  if (found === undefined) return error;
  const message = `${error.message} (${showPosition(found.at)}: ${found.path})`;
  return new Fault(error.kind, message, { code: error.code, detail: error.detail, cause: error });
}

interface Value {
  readonly at: Node["at"];
  readonly path: string;
  readonly text: string;
}

/** Returns the longest value below a node that a message has as a word of its own. */
function longestIn(node: Node, message: string, path: string): Value | undefined {
  // compat: engines print capabilities and signals in full, whatever is written.
  const said = message.replaceAll(/\b(?:CAP_|SIG)(?=[A-Z])/g, "");
  let best: Value | undefined;
  const visit = (at: Node, here: string): void => {
    if (at.kind === "map") for (const [key, { value }] of at.entries) visit(value, `${here}.${key}`);
    else if (at.kind === "list") for (const [i, item] of at.items.entries()) visit(item, `${here}.${i}`);
    else {
      const text = printScalar(at);
      const isLonger = text.length > Math.max(1, best?.text.length ?? 0);
      if (isLonger && (hasWord(message, text) || hasWord(said, text))) best = { at: at.at, path: here, text };
    }
  };
  visit(node, path);
  return best;
}

/** Whether a text has a word, in any spelling, that is no part of a longer one. */
function hasWord(text: string, word: string): boolean {
  const [within, wanted] = [text.toLowerCase(), word.toLowerCase()];
  for (let at = within.indexOf(wanted); at >= 0; at = within.indexOf(wanted, at + 1)) {
    const around = [within[at - 1] ?? " ", within[at + wanted.length] ?? " "];
    if (!around.some((character) => /\w/.test(character))) return true;
  }
  return false;
}
