// Flags that are addresses and subnets, and what Go's parsers say of texts that are none.

import { isIP } from "node:net";
import { custom, type FlagSpec, type FlagTraits, invalidValue, parseCsv } from "../../lib/flags/spec.ts";

/** One address; empty when the flag is not given. */
export function ipFlag(usage: string, traits: FlagTraits = {}): FlagSpec<string> {
  const parse = (text: string): string => {
    const address = text.trim();
    if (address !== "" && isIP(address) === 0)
      throw invalidValue(`failed to parse IP: ${JSON.stringify(text)}`);
    return address;
  };
  return custom("ip", usage, "", parse, traits);
}

/** Addresses, repeatable and comma-separated. */
export const ipSliceFlag = (usage: string): FlagSpec<string[]> =>
  sliceFlag("ipSlice", usage, (text) => {
    if (isIP(text) === 0) throw invalidValue(`invalid string being converted to IP address: ${text}`);
  });

/** Subnets, repeatable and comma-separated. */
export const ipNetSliceFlag = (usage: string): FlagSpec<string[]> =>
  sliceFlag("ipNetSlice", usage, (text) => {
    if (prefixFault(text) !== undefined)
      throw invalidValue(`invalid string being converted to CIDR: ${text}`);
  });

function sliceFlag(type: string, usage: string, check: (text: string) => void): FlagSpec<string[]> {
  const parse = (text: string, previous: string[] | undefined): string[] => {
    const items = parseCsv(text.replaceAll('"', "")).map((item) => item.trim());
    for (const item of items) check(item);
    return [...(previous ?? []), ...items];
  };
  return custom<string[]>(type, usage, [], parse, { defaultText: "[]" });
}

/** What is wrong with an address, if anything. */
export function addressFault(text: string): string | undefined {
  return isIP(text) === 0 ? `ParseAddr(${JSON.stringify(text)}): unable to parse IP` : undefined;
}

/** What is wrong with a subnet `address/bits`, if anything. */
export function prefixFault(text: string): string | undefined {
  const fault = (why: string): string => `netip.ParsePrefix(${JSON.stringify(text)}): ${why}`;
  const slash = text.lastIndexOf("/");
  if (slash < 0) return fault("no '/'");
  const address = text.slice(0, slash);
  const family = isIP(address);
  if (family === 0) return fault(addressFault(address) ?? "");
  const bits = text.slice(slash + 1);
  if (!/^(?:0|[1-9]\d*)$/.test(bits)) return fault(`bad bits after slash: ${JSON.stringify(bits)}`);
  return Number(bits) > (family === 4 ? 32 : 128) ? fault("prefix length out of range") : undefined;
}
