// Shows how far a copy of a volume is, on a terminal only, and returns the name of what was made.
import type { ProgressLine } from "../../../api/schemas/progress.ts";
import { displayOn } from "../../progress/display.ts";
import { isTerminal } from "../../terminal/tty.ts";

export async function copied(lines: AsyncIterable<ProgressLine>): Promise<string> {
  let name = "";
  await displayOn(2, lines, {
    isQuiet: !isTerminal(2),
    onAux: ({ aux }) => {
      name = (aux as { Name?: string }).Name ?? "";
    },
  });
  return name;
}
