// Receives a directory from a client (fsutil's protocol): descriptions in order, then the contents of those files that are
// asked for. The two go on at the same time.

import { Fault } from "../../lib/errors.ts";
import type { ClientCall } from "../../lib/grpc/client.ts";
import type { DirectorySink, SentEntry } from "../solver/ports.ts";
import { readGoMode } from "../../lib/build-protocol/file-mode.ts";
import { PACKET, packet } from "../../lib/build-protocol/session.ts";

type Stat = NonNullable<ReturnType<typeof packet.decode>["stat"]>;

function entryOf(stat: Stat): SentEntry {
  const { type, mode } = readGoMode(stat.mode ?? 0);
  const linkTarget = stat.linkName ?? "";
  const nanos = stat.modTime ?? 0;
  const mtimeSec = Math.floor(nanos / 1e9);
  return {
    path: stat.path ?? "",
    // A regular file with a target is another name of an earlier one.
    type: type === "file" && linkTarget !== "" ? "hardlink" : type,
    mode: type === "symlink" ? 0o777 : mode,
    uid: stat.uid ?? 0,
    gid: stat.gid ?? 0,
    sizeBytes: type === "file" ? (stat.size ?? 0) : 0,
    mtimeSec,
    mtimeNsec: nanos - mtimeSec * 1e9,
    linkTarget,
  };
}

/** Takes the size of each message. */
type OnBytes = (count: number) => void;

class Transfer {
  private readonly call: ClientCall;
  private readonly sink: DirectorySink;
  private readonly onBytes: OnBytes;
  private count = 0;
  /** Files that are on their way, by their number. */
  private readonly wanted = new Map<number, string>();
  private isListed = false;

  constructor(call: ClientCall, sink: DirectorySink, onBytes: OnBytes) {
    this.call = call;
    this.sink = sink;
    this.onBytes = onBytes;
  }

  async run(): Promise<void> {
    for await (const bytes of this.call.messages) {
      this.onBytes(bytes.length);
      const { type, stat, id, data } = packet.decode(bytes);
      if (type === PACKET.error)
        throw new Fault(
          "invalidParameter",
          `cannot read the client's files: ${Buffer.from(data).toString()}`,
          {
            code: "session.files",
          },
        );
      if (type === PACKET.stat) await this.describe(stat);
      else if (type === PACKET.data) await this.take(id, data);
      else if (type === PACKET.end) return;
      if (this.isListed && this.wanted.size === 0) await this.finish();
    }
  }

  private async describe(stat: Stat | undefined): Promise<void> {
    if (stat === undefined) {
      this.isListed = true;
      return;
    }
    const id = this.count++;
    const entry = entryOf(stat);
    if (!(await this.sink.entry(entry))) return;
    this.wanted.set(id, entry.path);
    await this.call.messages.send(packet.encode({ type: PACKET.request, id }));
  }

  private async take(id: number, data: Uint8Array): Promise<void> {
    const path = this.wanted.get(id);
    if (path === undefined)
      throw new Fault("invalidParameter", `the client sent a file that nobody asked for (${id})`);
    if (data.length > 0) return this.sink.data(path, Uint8Array.from(data));
    this.wanted.delete(id);
    await this.sink.end(path);
  }

  private async finish(): Promise<void> {
    this.isListed = false;
    await this.call.messages.send(packet.encode({ type: PACKET.end }));
  }
}

/** Receives everything that the call brings. Throws the Fault of its status, or of what the sink refuses. */
export async function receiveFiles(
  call: ClientCall,
  sink: DirectorySink,
  onBytes: OnBytes = () => undefined,
): Promise<void> {
  try {
    await new Transfer(call, sink, onBytes).run();
  } catch (error) {
    call.cancel();
    throw error;
  }
  call.end();
  await call.finished;
}
