// Re-indents JSON without reading its values, so that numbers and escapes stay as the daemon wrote them (Go's json.Indent
// and json.Compact).

/** Returns the text with every member on its own line; empty objects and lists stay on one. */
export function indentJson(text: string, indent: string): string {
  let out = "";
  let depth = 0;
  let isOpen = false;
  const newline = (): string => `\n${indent.repeat(depth)}`;
  for (const token of jsonTokens(text)) {
    const isClose = token === "}" || token === "]";
    if (isOpen && !isClose) {
      depth++;
      out += newline();
    }
    if (token === "{" || token === "[") {
      out += token;
      isOpen = true;
      continue;
    }
    if (isClose) {
      if (!isOpen) {
        depth--;
        out += newline();
      }
      out += token;
    } else if (token === ",") out += `,${newline()}`;
    else if (token === ":") out += ": ";
    else out += token;
    isOpen = false;
  }
  return out;
}

/** Returns the text without insignificant blanks. */
export function compactJson(text: string): string {
  return [...jsonTokens(text)].join("");
}

function* jsonTokens(text: string): Generator<string> {
  const pattern = /"(?:[^"\\]|\\.)*"|[{}[\]:,]|[^\s"{}[\]:,]+/g;
  for (const match of text.matchAll(pattern)) yield match[0];
}
