// The test machine's kernel: Debian's package for virtual machines, unpacked below build/, never installed: nothing of this
// machine's own way to boot is touched.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";

const PACKAGE = "linux-image-cloud-amd64";

export interface Kernel {
  release: string;
  image: string;
  /** The directory that has lib/modules below it. */
  root: string;
}

/** Returns the kernel below `home`, fetched and unpacked at the first call. */
export function loadKernel(home: string): Kernel {
  const root = join(home, "kernel");
  if (!existsSync(root)) fetchKernel(home, root);
  const release = readdirSync(join(root, "lib/modules"))[0];
  if (release === undefined) throw new Error(`no kernel in ${root}: remove it and try again`);
  return { release, image: join(root, `boot/vmlinuz-${release}`), root };
}

function fetchKernel(home: string, root: string): void {
  // The lists of packages that a machine has may name a version that is gone.
  execFileSync("apt-get", ["update", "-qq"], { stdio: ["ignore", "ignore", "inherit"] });
  const depends = execFileSync("apt-cache", ["depends", PACKAGE], { encoding: "utf8" });
  const name = /Depends: (linux-image-\S+)/.exec(depends)?.[1];
  if (name === undefined) throw new Error(`apt knows no ${PACKAGE}`);
  console.log(`fetching ${name}`);
  const scratch = join(home, "fetching");
  rmSync(scratch, { recursive: true, force: true });
  mkdirSync(scratch, { recursive: true });
  execFileSync("apt-get", ["download", "-qq", name], {
    cwd: scratch,
    stdio: ["ignore", "inherit", "ignore"],
  });
  const archive = readdirSync(scratch).find((file) => file.endsWith(".deb")) ?? "";
  execFileSync("dpkg-deb", ["-x", archive, "tree"], { cwd: scratch, stdio: "inherit" });
  const tree = join(scratch, "tree");
  const release = readdirSync(join(tree, "lib/modules"))[0] ?? "";
  execFileSync("depmod", ["-b", tree, release], { stdio: "inherit" });
  renameSync(tree, root); // last: a directory that is there is complete
  rmSync(scratch, { recursive: true });
}

/** Returns the files of the modules `names` and of what they need, in the order in which they can be loaded. */
export function modulesInOrder(kernel: Kernel, names: readonly string[]): string[] {
  const base = join(kernel.root, "lib/modules", kernel.release);
  const needs = new Map<string, { file: string; files: string[] }>();
  for (const line of readFileSync(join(base, "modules.dep"), "utf8").split("\n")) {
    const [file, rest = ""] = line.split(":", 2);
    if (file) needs.set(moduleName(file), { file, files: rest.split(" ").filter(Boolean) });
  }
  const ordered = new Set<string>();
  const add = (name: string): void => {
    const module = needs.get(name);
    if (module === undefined) return; // built into the kernel
    for (const file of module.files) add(moduleName(file));
    ordered.add(join(base, module.file));
  };
  for (const name of names) add(name);
  return [...ordered];
}

const moduleName = (file: string): string =>
  basename(file)
    .replace(/\.ko(\..*)?$/, "")
    .replaceAll("-", "_");

/** The directory of the modules, for the machine's /lib/modules. */
export const modulesDirectory = (kernel: Kernel): string =>
  dirname(join(kernel.root, "lib/modules", kernel.release));
