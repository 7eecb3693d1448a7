// Sizes as Docker reads and prints them (go-units): "1.23MB" with powers of 1000, "117MiB" with powers of 1024,
// and "512m" from the command line with powers of 1024.

import { Fault } from "../errors.ts";

const decimal = ["B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"];
const binary = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"];
const powers = "kmgtp";

/** Prints bytes with powers of 1000 and four significant digits, or as many as asked: 1.234GB. */
export function humanSize(bytes: number, digits = 4): string {
  return scaled(bytes, 1000, decimal, digits);
}

/** Prints bytes with powers of 1024 and four significant digits: 117.7MiB. */
export function binarySize(bytes: number): string {
  return scaled(bytes, 1024, binary, 4);
}

function scaled(bytes: number, base: number, names: readonly string[], digits: number): string {
  let size = bytes;
  let power = 0;
  while (size >= base && power < names.length - 1) {
    size /= base;
    power++;
  }
  return `${significant(size, digits)}${names[power]}`;
}

/** Go's %.<digits>g. */
export function significant(value: number, digits: number): string {
  const [mantissa = "0", exponent = "+0"] = value.toExponential(digits - 1).split("e");
  const power = Number(exponent);
  if (power >= -4 && power < digits) return String(Number(value.toPrecision(digits)));
  return `${Number(mantissa)}e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
}

/** Reads a size with powers of 1024 (`512m`, `1.5GiB`, `10`). Throws a Fault with go-units' text. */
export function parseBinarySize(text: string): number {
  return parseSize(text, 1024);
}

/** Reads a size with powers of 1000 (`10GB`). Throws a Fault with go-units' text. */
export function parseDecimalSize(text: string): number {
  return parseSize(text, 1000);
}

function parseSize(text: string, base: number): number {
  const refuse = (message: string): Fault => new Fault("invalidParameter", message, { code: "units.size" });
  const match = /^([^]*[0-9. ])([^0-9. ]*)$/.exec(text);
  if (match === null) throw refuse(`invalid size: '${text}'`);
  const [, head = "", tail = ""] = match;
  const number = head.endsWith(" ") ? head.slice(0, -1) : head;
  if (!/^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/.test(number)) {
    throw refuse(`strconv.ParseFloat: parsing ${JSON.stringify(number)}: invalid syntax`);
  }
  const value = Number(number);
  if (value < 0) throw refuse(`invalid size: '${text}'`);
  const suffix = tail.toLowerCase();
  if (suffix === "" || suffix === "b") return Math.trunc(value);
  const power = powers.indexOf(suffix.charAt(0));
  if (power < 0 || !/^.(?:b|ib)?$/.test(suffix)) {
    throw refuse(`invalid suffix: '${suffix.length > 3 ? tail : suffix}'`);
  }
  return Math.trunc(value * base ** (power + 1));
}
