// The words in which log options are read and refused. A driver reads its options through here, at the creation of a
// container as well as at its start, so that what was accepted once is understood later.
import { Fault, messageOf } from "../../../lib/errors.ts";
import { parseDuration } from "../../../lib/units/duration.ts";
import { goBool, goInt } from "../../../lib/units/go-scalar.ts";

export type LogOptions = Readonly<Record<string, string>>;

/** Returns the error for options that are not right. */
export function invalidOption(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "log.option" });
}

/** Returns the error for what keeps a driver from working here, in the words in which Docker refuses a start. */
export function cannotInitialize(error: unknown): Fault {
  return new Fault("system", `failed to initialize logging driver: ${messageOf(error)}`, {
    code: "log.driver",
    cause: error,
  });
}

/** Runs a check whose failures Docker reports only at the start of a container, and keeps its words. */
export function asInitialization<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw invalidOption(cannotInitialize(error).message);
  }
}

export function boolOption(options: LogOptions, key: string, initial = false): boolean {
  const text = options[key];
  if (text === undefined) return initial;
  const value = goBool(text);
  if (value === null)
    throw invalidOption(`strconv.ParseBool: parsing ${JSON.stringify(text)}: invalid syntax`);
  return value;
}

export function intOption(options: LogOptions, key: string): number | undefined {
  const text = options[key];
  if (text === undefined) return undefined;
  const value = goInt(text);
  if (value === null) throw invalidOption(`strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`);
  return value;
}

/** Reads a duration into milliseconds; "" counts as absent. */
export function durationOption(options: LogOptions, key: string): number | undefined {
  const text = options[key];
  return text === undefined || text === "" ? undefined : parseDuration(text) / 1e6;
}

/** A receiver's address, as `proto://host:port` or `proto:///path`. */
export interface Address {
  readonly scheme: string;
  /** Without the brackets of an IPv6 address. */
  readonly host: string;
  readonly port: number | undefined;
  readonly path: string;
}

const ADDRESS = /^([a-z][a-z0-9+.-]*):\/\/(?:\[([0-9a-fA-F:.%]*)\]|([^:/]*))(?::(\d{0,5}))?(\/.*)?$/i;

/** Returns the parts of an address; null where it has not the form of one. */
export function parseAddress(text: string): Address | null {
  const m = ADDRESS.exec(text);
  if (m === null) return null;
  const port = m[4] === undefined || m[4] === "" ? undefined : Number(m[4]);
  if (port !== undefined && port > 65535) return null;
  return { scheme: (m[1] as string).toLowerCase(), host: m[2] ?? m[3] ?? "", port, path: m[5] ?? "" };
}
