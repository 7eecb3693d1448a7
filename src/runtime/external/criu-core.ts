// A change to criu's image of a container's first process (criu's images/core.proto). Of what the engine has made, that process ends when its parent
// does, which is the shim; after a restore its parent is the runtime's, which ends at once.
import { open } from "node:fs/promises";
import { join } from "node:path";
import { message, numberBytes, sub } from "../../lib/protobuf/message.ts";

/** Two magic numbers and the size of the message. */
const HEAD_BYTES = 12;

const core = message({ threadCore: sub(5, () => message({ parentDeathSignal: numberBytes(8) })) });

/** Takes the parent-death signal (PR_SET_PDEATHSIG(2const)) from a process of an image. `pid` as the container has it. */
export async function clearParentDeathSignal(imageDir: string, pid: number): Promise<void> {
  await using file = await open(join(imageDir, `core-${pid}.img`), "r+");
  const content = await file.readFile();
  const end = HEAD_BYTES + content.readUInt32LE(HEAD_BYTES - 4);
  const signal = core.decode(content.subarray(HEAD_BYTES, end)).threadCore?.parentDeathSignal;
  if (signal === undefined || signal.length === 0) return;
  for (let i = 0; i < signal.length; i++) signal[i] = (signal[i] ?? 0) & 0x80; // zero, in as many bytes
  await file.write(signal, 0, signal.length, signal.byteOffset - content.byteOffset);
}
