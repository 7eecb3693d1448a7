// `buildx du`: what the build cache holds.

import { systemDataUsage } from "../../../api/operations/system.ts";
import { humanSize } from "../../../lib/units/size.ts";
import { defineCommand, noArgs } from "../../command.ts";
import { buildCacheColumns } from "../../format/build-cache.ts";
import { buildCacheBytes } from "../../format/disk-usage.ts";
import { renderList } from "../../format/list.ts";
import { print } from "../../output.ts";

export const command = defineCommand({
  operands: "",
  arity: noArgs,
  flags: {},
  async run(session) {
    const client = await session.client();
    const usage = await client.call(systemDataUsage, { types: ["build-cache"], verbose: true });
    print(
      await renderList(buildCacheColumns, usage.BuildCache ?? usage.BuildCacheUsage?.Items ?? [], {
        format:
          "table {{.ID}}\t{{.CacheType}}\t{{.Size}}\t{{.LastUsedSince}}\t{{.UsageCount}}\t{{.Shared}}\t{{.Description}}",
        isTruncated: true,
      }),
    );
    print(`Total:\t${humanSize(buildCacheBytes(usage))}\n`);
  },
});
