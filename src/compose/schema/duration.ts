// Durations as Compose files have them: Go's, and days and weeks besides.

import { Fault } from "../../lib/errors.ts";
import { parseDuration } from "../../lib/units/duration.ts";
import { table } from "../../lib/table.ts";

const hours: Readonly<Record<string, number>> = table({ d: 24, w: 168 });

/** Reads `1m30s`, `2d`, `1w12h` into nanoseconds. Throws a Fault with Go's message. */
export function parseLongDuration(text: string): number {
  const inHours = text.replace(
    /([0-9]*\.?[0-9]+)([dw])(?![a-z])/g,
    (_, amount: string, unit: string) => `${Number(amount) * (hours[unit] as number)}h`,
  );
  try {
    return parseDuration(inHours);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    throw new Fault(
      "invalidParameter",
      error.message.replace(JSON.stringify(inHours), JSON.stringify(text)),
      {
        code: "units.duration",
      },
    );
  }
}
