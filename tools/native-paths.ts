// keel resolves what an image or a container says by descriptor (native/resolve.c); a system call that takes a path as text is
// for the host's own paths, or for one name below a descriptor. This checker lists every such call per C file and function
// and allows those in tools/native-paths.json, each with its reason: a new one has to be thought about once, by a
// human. It fails on calls that are not listed and on entries that are not there any more.
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

/** File, then function, then the calls it may make and why. */
export type Allowed = Readonly<
  Record<string, Readonly<Record<string, { calls: string[]; because: string }>>>
>;

/** A call that takes a path. */
export interface PathCall {
  readonly line: number;
  readonly inFunction: string;
  readonly call: string;
}

/** The C library's and the kernel's calls that look a path up, by name; those that end in `at` take a descriptor beside it. */
const CALLS = new Set(
  `open open64 creat openat openat2 stat lstat fstatat statx access faccessat faccessat2 euidaccess eaccess chdir chroot
  mkdir mkdirat mknod mknodat mkfifo mkfifoat rmdir unlink unlinkat remove rename renameat renameat2 link linkat symlink
  symlinkat readlink readlinkat chmod fchmodat chown lchown fchownat utime utimes lutimes utimensat futimesat truncate
  truncate64 statfs statvfs mount umount umount2 pivot_root open_tree move_mount mount_setattr fspick execve execv execvp
  execvpe execl execlp execle execveat posix_spawn posix_spawnp system popen opendir scandir nftw ftw fts_open glob fopen
  freopen realpath canonicalize_file_name getxattr lgetxattr setxattr lsetxattr listxattr llistxattr removexattr
  lremovexattr inotify_add_watch fanotify_mark name_to_handle_at open_by_handle_at swapon swapoff acct quotactl mkstemp
  mkostemp mkdtemp tempnam dlopen bind connect shm_open sem_open`.split(/\s+/),
);

/** Returns the source with comments and the insides of literals blanked, line for line. */
function withoutText(source: string): string {
  const blank = (text: string): string => text.replace(/[^\n]/g, " ");
  return source.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'/g, (text) =>
    text.startsWith("/") ? blank(text) : `${text[0]}${blank(text.slice(1, -1))}${text.at(-1)}`,
  );
}

/** Returns the calls of one C file, in order. Mentions of a call's name that are no call (its address) count, too. */
export function findPathCalls(source: string): PathCall[] {
  const found: PathCall[] = [];
  let inFunction = "";
  for (const [index, line] of withoutText(source).split("\n").entries()) {
    // House style: a definition begins in the first column, so does the brace that ends it.
    const definition = /^[A-Za-z_][\w\s*()]*?\b(\w+)\((?!.*;\s*$)/.exec(line);
    if (definition && !/^(typedef|struct \w+ \{|enum|union)/.test(line)) inFunction = definition[1] as string;
    if (/^\s*#\s*include/.test(line)) continue;
    for (const m of line.matchAll(/(?<![.\w]|->)(SYS_|__NR_)?([a-z_0-9]+)\b(\s*\()?/g)) {
      const [, isNumber, name = "", isCall] = m;
      if (!CALLS.has(name) || name === inFunction) continue;
      if (isNumber !== undefined || isCall !== undefined || isAddressTaken(line, m.index, name))
        found.push({ line: index + 1, inFunction, call: name });
    }
    if (line.startsWith("}")) inFunction = "";
  }
  return found;
}

/** A function that is handed on by name: `= open`, `(open,`. `link` is also what descriptors and texts are called here. */
function isAddressTaken(line: string, at: number, name: string): boolean {
  if (name === "link") return false;
  return /[=(,?:]\s*&?$/.test(line.slice(0, at)) && /^\s*[,;)]/.test(line.slice(at + name.length));
}

/** Returns what is wrong with one file. */
export function judgeFile(name: string, source: string, allowed: Allowed): string[] {
  const calls = findPathCalls(source);
  const rows = allowed[name] ?? {};
  const problems = calls
    .filter((c) => !rows[c.inFunction]?.calls.includes(c.call))
    .map(
      (c) =>
        `native/${name}:${c.line}: ${c.inFunction}() calls ${c.call}(), which looks a path up. On a path that an image, an archive or a container ` +
        `may have a say in, use native/resolve.h. On the host's own, add it to tools/native-paths.json with the reason.`,
    );
  for (const [inFunction, row] of Object.entries(rows)) {
    if (row.because.length < 10)
      problems.push(`native-paths.json: ${name} ${inFunction}: the reason is missing`);
    for (const call of row.calls)
      if (!calls.some((c) => c.inFunction === inFunction && c.call === call))
        problems.push(`native-paths.json: ${name}: ${inFunction}() does not call ${call}() any more`);
  }
  return problems;
}

function main(): void {
  const root = resolve(import.meta.dirname, "..");
  const allowed = JSON.parse(readFileSync(join(root, "tools/native-paths.json"), "utf8")) as Allowed;
  const files = readdirSync(join(root, "native")).filter((name) => /\.[ch]$/.test(name));
  const problems = Object.keys(allowed)
    .filter((name) => !files.includes(name))
    .map((name) => `native-paths.json: native/${name} does not exist`);
  let calls = 0;
  for (const name of files) {
    const source = readFileSync(join(root, "native", name), "utf8");
    calls += findPathCalls(source).length;
    problems.push(...judgeFile(name, source, allowed));
  }
  for (const p of problems) console.error(p);
  console.log(`native paths: ${files.length} files, ${calls} calls, ${problems.length} problems`);
  process.exitCode = problems.length > 0 || calls === 0 ? 1 : 0;
}

if (import.meta.main) main();
