// Finds the route of a request. A path's parameter may contain slashes (image names), so a route is an exact path, or a prefix and a
// suffix around the parameter; longer suffixes are tried first, as are exact paths. A second parameter is the last segment.

import type { OperationSpec } from "../api/contract.ts";

export interface Routable {
  readonly operation: OperationSpec;
}

export interface RouteMatch<R> {
  readonly route: R;
  /** Decoded path parameters by name. */
  readonly params: Readonly<Record<string, string>>;
}

interface Pattern<R> {
  readonly route: R;
  readonly prefix: string;
  /** Behind the parameter; before the second where there is one. */
  readonly suffix: string;
  readonly name: string;
  readonly last: string | undefined;
}

export interface Router<R> {
  /** Returns the route for a decoded path without version prefix, undefined when there is none (404). */
  match(method: string, path: string): RouteMatch<R> | undefined;
}

function patternOf<R extends Routable>(route: R): Pattern<R> | undefined {
  const parts = /^([^{]*)\{(\w+)\}([^{]*)(?:\{(\w+)\})?$/.exec(route.operation.path);
  if (parts === null) return undefined;
  const [, prefix = "", name = "", suffix = "", last] = parts;
  return { route, prefix, name, suffix, last };
}

/** Returns the parameters of a path that begins with the pattern's prefix, undefined when the rest is another's. */
function paramsOf(
  { prefix, suffix, name, last }: Pattern<unknown>,
  path: string,
): Record<string, string> | undefined {
  const end = last === undefined ? path.length : path.lastIndexOf("/") + 1;
  const at = end - suffix.length;
  if (at <= prefix.length || !path.slice(0, end).endsWith(suffix)) return undefined;
  const params = { [name]: path.slice(prefix.length, at) };
  if (last === undefined) return params;
  return end === path.length ? undefined : { ...params, [last]: path.slice(end) };
}

/** What may stand before a parameter: one segment of the path, or two. */
function prefixesOf(path: string): string[] {
  const first = path.indexOf("/", 1) + 1;
  const second = path.indexOf("/", first) + 1;
  return [path.slice(0, first), ...(first > 0 && second > 0 ? [path.slice(0, second)] : [])];
}

/** Builds the table. */
export function createRouter<R extends Routable>(routes: readonly R[]): Router<R> {
  const exact = new Map<string, R>();
  const patterns = new Map<string, Pattern<R>[]>();
  for (const route of routes) {
    const pattern = patternOf(route);
    if (pattern === undefined) exact.set(`${route.operation.method} ${route.operation.path}`, route);
    else {
      const key = `${route.operation.method} ${pattern.prefix}`;
      patterns.set(key, [...(patterns.get(key) ?? []), pattern]);
    }
  }
  for (const list of patterns.values()) list.sort((a, b) => b.suffix.length - a.suffix.length);
  return {
    match(method, path) {
      // compat: lists are served with a slash at the end, too.
      const route = exact.get(`${method} ${path}`) ?? exact.get(`${method} ${path.replace(/\/$/, "")}`);
      if (route !== undefined) return { route, params: {} };
      for (const prefix of prefixesOf(path)) {
        for (const pattern of patterns.get(`${method} ${prefix}`) ?? []) {
          const params = paramsOf(pattern, path);
          if (params !== undefined) return { route: pattern.route, params };
        }
      }
      return undefined;
    },
  };
}
