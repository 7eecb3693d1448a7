// Whole trees as archives, in the way of `cp`: what volumes are exported and imported with.
import { decompress } from "../../../lib/compress/stream.ts";
import { Fault } from "../../../lib/errors.ts";
import type { TreeArchiver } from "../../volume/transfer.ts";
import { closing } from "./closing.ts";
import { packPath } from "./pack.ts";
import { parseContainerPath } from "./path.ts";
import { statAt } from "./stat.ts";
import { unpackInto } from "./unpack.ts";

export const treeArchiver: TreeArchiver = {
  async pack(session, close) {
    try {
      const stat = await statAt(session, "");
      if (stat === undefined) throw new Fault("system", "the directory is gone", { code: "archive.lost" });
      return closing(packPath(session, parseContainerPath("/."), stat, { isLive: false }), close);
    } catch (error) {
      await close();
      throw error;
    }
  },
  async unpack(session, body) {
    const { stream } = await decompress(body);
    await unpackInto(session, stream, { directory: "", keepsTypes: false, setsDirectory: true });
  },
};
