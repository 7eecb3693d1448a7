// filepath.Clean of Go, on Unix paths: lexical only, never for deciding what a path inside a root refers to.

/** Returns the shortest equivalent path: no empty or `.` parts, `..` resolved where possible, "." for nothing. */
export function cleanPath(path: string): string {
  const isAbsolute = path.startsWith("/");
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === ".." && parts.length > 0 && parts.at(-1) !== "..") parts.pop();
    else if (part !== ".." || !isAbsolute) parts.push(part);
  }
  const joined = parts.join("/");
  return isAbsolute ? `/${joined}` : joined || ".";
}
