// `--chown`: names looked up in the passwd and group files of the root that is written to.

import { Fault, SysError } from "../../lib/errors.ts";
import type { Dialect } from "../graph/dialect.ts";
import type { FsSession } from "../../linux/keel.ts";
import { fs } from "../../linux/ops.ts";

const MAX_FILE_BYTES = 8 << 20;
/** (uid_t)-1 means "keep" to the kernel. */
const MAX_ID = 2 ** 32 - 2;

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

function invalid(message: string): Fault {
  return new Fault("invalidParameter", `unable to convert uid/gid chown string to host mapping: ${message}`, {
    code: "build.chown",
  });
}

async function readText(session: FsSession, path: string): Promise<string> {
  try {
    const [bytes] = await session.sync([fs.read(path, MAX_FILE_BYTES)]);
    return bytes instanceof Uint8Array ? Buffer.from(bytes).toString("utf8") : "";
  } catch (cause) {
    if (cause instanceof SysError) throw invalid(`cannot read ${path} in the image: ${cause.message}`);
    throw cause;
  }
}

/** Finds the third field of the line whose first field is `name`. */
function findId(table: string, name: string): number | undefined {
  for (const line of table.split("\n")) {
    const fields = line.split(":");
    if (fields[0] === name && /^\d+$/.test(fields[2] ?? "")) return Number(fields[2]);
  }
  return undefined;
}

async function idOf(session: FsSession, word: string, kind: "user" | "group"): Promise<number> {
  const [path, what] = kind === "user" ? ["/etc/passwd", "uid"] : ["/etc/group", "gid"];
  const id = /^\d+$/.test(word) ? Number(word) : findId(await readText(session, path), word);
  if (id === undefined) throw invalid(`can't find ${what} for ${kind} ${word}: no such ${kind}: ${word}`);
  if (id > MAX_ID) throw invalid(`${what} ${word} is out of range`);
  return id;
}

/** compat: with BuildKit a user alone that is no group's name has the group of its own line. */
async function groupOfUser(session: FsSession, user: string): Promise<number | undefined> {
  if (findId(await readText(session, "/etc/group"), user) !== undefined) return undefined;
  const line = (await readText(session, "/etc/passwd")).split("\n").find((l) => l.startsWith(`${user}:`));
  const gid = line?.split(":")[3] ?? "";
  return /^\d+$/.test(gid) ? Number(gid) : undefined;
}

/** Returns who `--chown` names: `user`, `user:group`, numbers or names; a user alone is its own group. */
export async function resolveOwner(session: FsSession, chown: string, dialect: Dialect): Promise<Owner> {
  const [user = "", group = user, ...more] = chown.split(":");
  if (more.length > 0) throw invalid(`invalid chown string format: ${chown}`);
  const uid = await idOf(session, user, "user");
  if (group === user && /^\d+$/.test(user)) return { uid, gid: uid };
  const own = dialect === "buildkit" && !chown.includes(":") ? await groupOfUser(session, user) : undefined;
  return { uid, gid: own ?? (await idOf(session, group, "group")) };
}
