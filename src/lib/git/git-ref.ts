// What names a git repository, as a build context, as a source of ADD or as a Compose file's place: `https://host/x.git#ref:dir`, `git@host:x`, `ssh://`,
// `git://`, with the options of the query form (`?branch=…&subdir=…`). Rules are BuildKit's.

import { Fault } from "../errors.ts";
import { table } from "../table.ts";

export interface GitRef {
  /** What `git fetch` is given. */
  readonly remote: string;
  /** Branch, tag or commit; "" for the default branch. */
  readonly ref: string;
  /** Directory in the repository; "" for all of it. */
  readonly subdir: string;
  /** Commit, or the beginning of one, that `ref` must be; "" for any. */
  readonly checksum: string;
  readonly keepsGitDir?: boolean;
  readonly hasSubmodules: boolean;
}

const SCP_FORM = /^[\w.-]+@[\w.-]+:.+/;
const SCHEME = /^(https?|git|ssh):\/\//;

/** Whether a text names a git repository; http(s) only where the path ends in `.git`. */
export function isGitSource(text: string): boolean {
  if (SCP_FORM.test(text)) return true;
  const scheme = SCHEME.exec(text)?.[1];
  if (scheme === undefined) return false;
  return scheme === "git" || scheme === "ssh" || /^https?:\/\/[^#?]*\.git(?:$|[#?])/.test(text);
}

/** As isGitSource, with the short form `github.com/…` that only contexts have. */
export function isGitContext(text: string): boolean {
  return isGitSource(text) || /^github\.com\//.test(text);
}

interface Draft {
  ref: string;
  subdir: string;
  checksum: string;
  keepsGitDir?: boolean;
  hasSubmodules: boolean;
}

function booleanOf(key: string, value: string): boolean {
  if (value === "" || value === "1" || value === "true") return true;
  if (value === "0" || value === "false") return false;
  throw malformed(`invalid ${key} value: ${JSON.stringify(value)}`);
}

function setRef(draft: Draft, ref: string): void {
  if (draft.ref !== "" && draft.ref !== ref)
    throw malformed(`ref conflicts: ${JSON.stringify(draft.ref)} vs ${JSON.stringify(ref)}`);
  draft.ref = ref;
}

const OPTIONS: Readonly<Record<string, (draft: Draft, value: string, key: string) => void>> = table({
  ref: (d, v) => setRef(d, v),
  tag: (d, v) => setRef(d, v.startsWith("refs/tags/") ? v : `refs/tags/${v}`),
  branch: (d, v) => setRef(d, v.startsWith("refs/heads/") ? v : `refs/heads/${v}`),
  subdir: (d, v) => void (d.subdir = v),
  checksum: (d, v) => void (d.checksum = v),
  commit: (d, v) => void (d.checksum = v),
  "keep-git-dir": (d, v, key) => void (d.keepsGitDir = booleanOf(key, v)),
  submodules: (d, v, key) => void (d.hasSubmodules = booleanOf(key, v)),
});

function readQuery(query: string, draft: Draft): void {
  for (const [key, value] of new URLSearchParams(query)) {
    const option = Object.hasOwn(OPTIONS, key) ? OPTIONS[key] : undefined;
    if (option === undefined) throw malformed(`unexpected query ${JSON.stringify(key)}`);
    if (value === "" && !["keep-git-dir", "submodules"].includes(key))
      throw malformed(`query ${JSON.stringify(key)} has no value`);
    option(draft, value, key);
  }
}

/** Takes a git source apart. Throws Fault `git.reference`. */
export function parseGitRef(text: string): GitRef {
  const draft: Draft = { ref: "", subdir: "", checksum: "", hasSubmodules: true };
  const hash = text.indexOf("#");
  const fragment = hash < 0 ? "" : text.slice(hash + 1);
  let remote = hash < 0 ? text : text.slice(0, hash);
  const question = remote.indexOf("?");
  if (question >= 0) {
    readQuery(remote.slice(question + 1), draft);
    remote = remote.slice(0, question);
  }
  const colon = fragment.indexOf(":");
  const ref = colon < 0 ? fragment : fragment.slice(0, colon);
  if (ref !== "") setRef(draft, ref);
  if (colon >= 0) draft.subdir = fragment.slice(colon + 1);
  // Words that git would take for options.
  if (draft.ref.startsWith("-") || remote.startsWith("-"))
    throw malformed(`invalid git reference ${JSON.stringify(text)}`);
  return { remote: remote.startsWith("github.com/") ? `https://${remote}` : remote, ...draft };
}

/** Returns the name of a source in which all protocols are alike: `HOST/PATH#REF:DIR`. */
export function gitIdentity({ remote, ref, subdir }: GitRef): string {
  const place = remote.replace(/^[a-z]+:\/\/(?:[^/@]*@)?/, "").replace(/^[^/@]*@([^/:]+):/, "$1/");
  const fragment = subdir === "" ? ref : `${ref}:${subdir}`;
  return fragment === "" ? place : `${place}#${fragment}`;
}

function malformed(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "git.reference" });
}
