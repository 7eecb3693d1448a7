// White space as Go's unicode.IsSpace has it, which the lexers of the Dockerfile go by.

/** Tells whether a character is white space: JavaScript's, plus U+0085 and without the byte-order mark. */
export function isSpace(character: string): boolean {
  return /^[\s\u0085]$/u.test(character) && character !== "\uFEFF";
}
