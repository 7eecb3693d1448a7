// `RUN --device`: one comma-separated text to the device that is asked for, with BuildKit's rules and texts.

import { messageOf } from "../../lib/errors.ts";
import { parseCsv } from "../../lib/flags/spec.ts";
import { suggestion } from "./suggest.ts";
import { syntaxError } from "./syntax-error.ts";

/** One `--device`. */
export interface RunDevice {
  /** `vendor.com/class=name`, `vendor.com/class` (the first), `vendor.com/class=*` (all), or `vendor.com/class=` and a class of devices. */
  readonly name: string;
  /** Without the device the command is not run. */
  readonly isRequired: boolean;
}

const TRUE: readonly string[] = ["1", "t", "T", "TRUE", "true", "True"];
const FALSE: readonly string[] = ["0", "f", "F", "FALSE", "false", "False"];

/** Reads one `--device`. Throws Fault `dockerfile.syntax`. */
export function parseDevice(text: string): RunDevice {
  let name = "";
  let isRequired = false;
  for (const field of fieldsOf(text)) {
    const at = field.indexOf("=");
    const key = (at < 0 ? field : field.slice(0, at)).toLowerCase();
    const value = field.slice(at + 1);
    if (at < 0 && key === "required") {
      isRequired = true;
    } else if (at >= 0 && key === "required") {
      if (!TRUE.includes(value) && !FALSE.includes(value))
        throw syntaxError(`invalid value for ${key}: ${value}`);
      isRequired = TRUE.includes(value);
    } else if (at >= 0 && key === "name") {
      if (name !== "") throw syntaxError(`device name already set to ${name}`);
      name = value;
    } else if (name === "") {
      name = field;
    } else if (at < 0) {
      throw syntaxError(`invalid field '${field}' must be a key=value pair`);
    } else {
      const hint = suggestion(key, ["name", "required"], { isCaseSensitive: true });
      throw syntaxError(`unexpected key '${key}' in '${field}'${hint}`);
    }
  }
  return { name, isRequired };
}

function fieldsOf(text: string): string[] {
  try {
    return parseCsv(text);
  } catch (error) {
    throw syntaxError(`failed to parse csv devices: ${messageOf(error)}`);
  }
}
