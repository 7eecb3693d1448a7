// COPY and ADD to what is copied: sources and destination expanded, flags checked.

import { cleanPath } from "../../lib/patternmatch/clean-path.ts";
import { isGitSource } from "../../lib/git/git-ref.ts";
import { heredocText } from "../dockerfile/heredoc.ts";
import type { AddInstruction, CopyInstruction } from "../dockerfile/instructions.ts";
import { syntaxError } from "../dockerfile/syntax-error.ts";
import type { StageState } from "./stage-state.ts";
import type { CopyOp, InlineFile } from "./vertex.ts";

type TransferOp = Omit<
  CopyOp,
  "source" | "unpacksLocal" | "unpacksRemote" | "checksum" | "keepsParents" | "keepsGitDir"
>;

/** Plans what COPY and ADD have in common. Throws Fault `dockerfile.syntax`. */
export function planTransfer(
  transfer: CopyInstruction | AddInstruction,
  verb: "COPY" | "ADD",
  state: StageState,
): TransferOp {
  const sources = transfer.sources.map((s) => state.expand(s));
  const contents = transfer.contents.map((h): InlineFile => {
    const text = heredocText(h);
    return { name: h.name, text: h.isExpanded ? state.expandContent(text) : text };
  });
  const shownDestination = state.expand(transfer.destination);
  const destination = absoluteDestination(shownDestination, state.config.workingDir ?? "/");
  if (sources.length + contents.length > 1 && !destination.endsWith("/")) {
    throw syntaxError(
      `When using ${verb} with more than one source file, the destination must be a directory and end with a /`,
      transfer.lines,
    );
  }
  return {
    kind: "copy",
    verb,
    sources,
    contents,
    destination,
    shownDestination,
    chown: state.expand(transfer.chown),
    chmod: state.expand(transfer.chmod),
    isLink: transfer.isLink,
    // compat: variables are not replaced in these patterns.
    excludes: transfer.excludes,
    shell: state.shell,
    dialect: state.dialect,
  };
}

function absoluteDestination(destination: string, workingDir: string): string {
  const path = cleanPath(destination.startsWith("/") ? destination : `/${workingDir}/${destination}`);
  // compat: `dir/.` names a file called dir, to the classic builder and to BuildKit alike.
  const isDirectory = destination.endsWith("/") || destination === ".";
  return isDirectory && path !== "/" ? `${path}/` : path;
}

/** A git repository's commit is shorter than a file's digest. */
const CHECKSUM = /^sha256:[0-9a-f]{64}$/;
const COMMIT = /^[0-9a-f]{4,64}$/;

function checkChecksum(checksum: string, op: TransferOp, add: AddInstruction): void {
  if (checksum === "") return;
  const fail = (why: string) => syntaxError(why, add.lines);
  if (op.sources.length !== 1) throw fail("checksum can't be specified for multiple sources");
  const [source = ""] = op.sources;
  const isGit = isGitSource(source);
  if (!isGit && !/^https?:\/\//.test(source)) throw fail("checksum requires HTTP(S) or Git sources");
  if (!(isGit ? COMMIT : CHECKSUM).test(checksum)) {
    const wanted = isGit ? "a commit" : "sha256: and 64 hex digits";
    throw fail(`invalid --checksum ${JSON.stringify(checksum)}: want ${wanted}`);
  }
}

/** Plans an ADD. Throws Fault `dockerfile.syntax`. */
export function planAdd(add: AddInstruction, state: StageState): CopyOp {
  const op = planTransfer(add, "ADD", state);
  const checksum = state.expand(add.checksum);
  checkChecksum(checksum, op, add);
  return {
    ...op,
    source: "",
    keepsParents: false,
    keepsGitDir: add.keepGitDir ?? false,
    unpacksLocal: add.unpack ?? true,
    unpacksRemote: add.unpack ?? false,
    checksum,
  };
}
