// Tables that are asked with keys of other people's.

/**
 * Returns the entries as a table without Object's prototype. Plain objects answer `constructor`, `toString` and `__proto__` with
 * what nobody entered; a table answers undefined to whatever is not in it.
 */
export function table<T>(entries: Readonly<Record<string, T>>): Readonly<Record<string, T>> {
  return Object.assign(Object.create(null) as Record<string, T>, entries);
}
