// Who a user of a container is: whom its files belong to after `docker cp -a`, who runs a command in it. Looked up in the container's own
// accounts and never in the host's.
import { Fault, SysError } from "../../../lib/errors.ts";
import type { FsSession } from "../../../linux/keel.ts";
import { fs } from "../../../linux/ops.ts";

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

const MAX_ACCOUNTS_BYTES = 4 << 20;
const MAX_ID = 2 ** 32 - 2;

/** Whether a user (USER's syntax) is or has a name, for which the accounts are needed. */
export const isNamed = (user: string): boolean =>
  user.split(":", 2).some((part) => part !== "" && idOf(part) === undefined);

/** Returns the owner that `user` (USER's syntax) means, undefined for "". Fails with invalidParameter for unknown names. */
export async function ownerOf(session: FsSession, user: string): Promise<Owner | undefined> {
  if (user === "") return undefined;
  const [name = "", group = ""] = user.split(":", 2);
  const account = accountOf(await accounts(session, "etc/passwd"), name);
  const uid = name === "" ? 0 : (idOf(name) ?? Number(account?.[2] ?? Number.NaN));
  if (!isId(uid)) throw unknown("user", name, "passwd");
  const gid = group === "" ? Number(account?.[3] ?? 0) : await groupIdOf(session, group);
  if (!isId(gid)) throw unknown("group", group, "group");
  return { uid, gid };
}

const isId = (id: number): boolean => Number.isInteger(id) && id >= 0 && id <= MAX_ID;

const unknown = (kind: string, name: string, file: string): Fault =>
  new Fault("invalidParameter", `unable to find ${kind} ${name}: no matching entries in ${file} file`, {
    code: `container.${kind}`,
  });

async function groupIdOf(session: FsSession, group: string): Promise<number> {
  return idOf(group) ?? Number(accountOf(await accounts(session, "etc/group"), group)?.[2] ?? Number.NaN);
}

/** A number is never looked up as a name. */
function idOf(text: string): number | undefined {
  return /^\d{1,10}$/.test(text) ? Number(text) : undefined;
}

function accountOf(lines: readonly string[][], name: string): string[] | undefined {
  const isNumber = idOf(name) !== undefined;
  return lines.find((fields) => (isNumber ? Number(fields[2]) === idOf(name) : fields[0] === name));
}

async function accounts(session: FsSession, path: string): Promise<string[][]> {
  try {
    const [text] = await session.sync([fs.read(path, MAX_ACCOUNTS_BYTES)]);
    return (text as Buffer)
      .toString("utf8")
      .split("\n")
      .map((line) => line.split(":"))
      .filter((fields) => /^\d{1,10}$/.test(fields[2] ?? ""));
  } catch (error) {
    if (error instanceof SysError) return []; // ignored: an image without the file knows numbers only
    throw error;
  }
}
