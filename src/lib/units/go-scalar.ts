// Booleans and integers as Go's strconv reads them.

const TRUTHS = new Set(["1", "t", "T", "true", "TRUE", "True"]);
const LIES = new Set(["0", "f", "F", "false", "FALSE", "False"]);

/** strconv.ParseBool; null where it fails. */
export function goBool(text: string): boolean | null {
  return TRUTHS.has(text) ? true : LIES.has(text) ? false : null;
}

/** strconv.Atoi as far as doubles are exact; null where it fails. */
export function goInt(text: string): number | null {
  return /^[+-]?\d{1,15}$/.test(text) ? Number(text) : null;
}
