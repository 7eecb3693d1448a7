// Paths as ContainerArchive and its like take them: read from the root, cleaned by their text alone, and what says "a
// directory" at the end (`/`, `/.`) kept apart. Nothing here looks at a file system; keel resolves below the root.
import { posix } from "node:path";
import { Fault } from "../../../lib/errors.ts";

/** A path inside a container. */
export interface ContainerPath {
  /** As the request has it. */
  readonly text: string;
  /** Relative to the root, without `.`, `..` and slashes at the ends; "" is the root. */
  readonly clean: string;
  /** Ends with `/`, `/.` or `/./`: has to be a directory, and a symlink there stands for what it points at. */
  readonly saysDirectory: boolean;
  /** Go's filepath.Base of the absolute path with its ending kept: `b` for `/a/b/`, `.` for `/a/.`, `/` for the root. */
  readonly base: string;
}

/** Returns the path that a request names. Fails with invalidParameter when there is none. */
export function parseContainerPath(text: string | undefined): ContainerPath {
  if (text === undefined || text === "")
    throw new Fault("invalidParameter", "bad parameter: path cannot be empty", { code: "container.path" });
  if (text.includes("\0") || Buffer.byteLength(text) > 4095)
    throw new Fault("invalidParameter", "bad parameter: path is no file name", { code: "container.path" });
  const clean = cleanPath(text);
  const endsWithDot = /(?:^|\/)\.\/*$/.test(text);
  const base = endsWithDot ? "." : clean === "" ? "/" : posix.basename(clean);
  return { text, clean, saysDirectory: endsWithDot || text.endsWith("/") || clean === "", base };
}

/** Returns `path` relative to the root, `..` taken by the text: it never leads above the root. */
export function cleanPath(path: string): string {
  return posix.join("/", path).replace(/^\/+|\/+$/g, "");
}

/** Returns the cleaned path that a symlink at `path` points at. */
export function cleanTarget(path: string, target: string): string {
  return cleanPath(target.startsWith("/") ? target : `${posix.dirname(`/${path}`)}/${target}`);
}

/** Returns the path of `name` in the directory `dir`, both cleaned. */
export function below(dir: string, name: string): string {
  return dir === "" ? name : name === "" ? dir : `${dir}/${name}`;
}
