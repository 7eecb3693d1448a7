// Images on their way from and to registries, with what is told of it.

import type { ProgressLine } from "../../api/schemas/progress.ts";
import { Fault } from "../../lib/errors.ts";
import type { Work } from "./work.ts";

interface TransferWords {
  readonly verb: string;
  readonly done: string;
  readonly isQuiet: boolean;
}

/** Follows a pull or push to its end. Throws a Fault when that fails. */
export async function transfer(
  { progress, limit }: Work,
  image: string,
  { verb, done, isQuiet }: TransferWords,
  open: () => Promise<AsyncIterable<ProgressLine>>,
): Promise<void> {
  const id = `Image ${image}`;
  progress.on({ id, text: verb, status: "working" });
  try {
    await limit.run(async () => {
      for await (const line of await open()) {
        const failure = line.errorDetail?.message ?? line.error;
        if (failure !== undefined && failure !== "")
          throw new Fault("system", failure, { code: "daemon.error", detail: { image } });
        if (!isQuiet && line.id !== undefined && line.status !== undefined) showLayer(id, line);
      }
    });
  } catch (error) {
    progress.on({ id, text: "Error", status: "error", details: (error as Error).message });
    throw error;
  }
  progress.on({ id, text: done, status: "done" });

  function showLayer(parent: string, { id: layer = "", status = "", progressDetail }: ProgressLine): void {
    const isDone = /complete|Already exists|Pushed|Mounted from|Layer already/.test(status);
    progress.on({
      id: layer,
      parent,
      text: status,
      status: isDone && status !== "Download complete" ? "done" : "working",
      ...(progressDetail?.current === undefined ? {} : { current: progressDetail.current }),
      ...(progressDetail?.total === undefined ? {} : { total: progressDetail.total }),
    });
  }
}
