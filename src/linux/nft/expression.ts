// The expressions that nftables rules are made of, and small matches and statements composed of them.
// An expression is data: a name and its attributes; ruleset.ts puts lists of them into rules.
// Registers: 1 is the first 16-byte register; a concatenation starts there and goes on in 4-byte steps from 9.
// Source: include/uapi/linux/netfilter/nf_tables.h, net/netfilter/nft_*.c; `nft --debug=netlink` prints the same.

import { type Attr, be32, littleU32, nest, raw, text, u8 } from "../netlink/message.ts";
import { type FieldType, type FieldValue, encodeField } from "./datatype.ts";

/** One expression of a rule. */
export interface Expr {
  readonly name: string;
  readonly attrs: readonly Attr[];
}

/** Register that holds the first value; the verdict register is 0. */
export const REG_1 = 1;
const REG_VERDICT = 0;
const REG32_00 = 8;

/** The 32-bit register at 4-byte step `n` of register 1; step 0 is named by its wide name as nft does. */
export const regAt = (n: number): number => (n === 0 ? REG_1 : REG32_00 + n);

const NFTA_DATA = { value: 1, verdict: 2 } as const;
const NFTA_VERDICT = { code: 1, chain: 2 } as const;
const VERDICT = { drop: 0, accept: 1, continue: -1, jump: -3, goto: -4, return: -5 } as const;

/** What happens to a packet. */
export type Verdict = "drop" | "accept" | "continue" | "return" | { jump: string } | { goto: string };

/** Data attribute of plain bytes. */
export const valueData = (type: number, bytes: Uint8Array): Attr => nest(type, [raw(NFTA_DATA.value, bytes)]);

/** Data attribute of a verdict. */
export function verdictData(type: number, verdict: Verdict): Attr {
  const [code, chain] =
    typeof verdict === "string"
      ? [VERDICT[verdict], undefined]
      : "jump" in verdict
        ? [VERDICT.jump, verdict.jump]
        : [VERDICT.goto, verdict.goto];
  const attrs = [be32(NFTA_VERDICT.code, code)];
  if (chain !== undefined) attrs.push(text(NFTA_VERDICT.chain, chain));
  return nest(type, [nest(NFTA_DATA.verdict, attrs)]);
}

const META = { mark: 3, iifname: 6, oifname: 7, nfproto: 15, l4proto: 16 } as const;

/** Packet metadata that can be loaded. */
export type MetaKey = keyof typeof META;

/** Loads metadata into a register. */
export const metaLoad = (key: MetaKey, reg = REG_1): Expr => ({
  name: "meta",
  attrs: [be32(2, META[key]), be32(1, reg)],
});

const BASE = { link: 0, network: 1, transport: 2 } as const;

/** Loads `length` bytes of a packet header into a register. */
export const payloadLoad = (base: keyof typeof BASE, offset: number, length: number, reg = REG_1): Expr => ({
  name: "payload",
  attrs: [be32(1, reg), be32(2, BASE[base]), be32(3, offset), be32(4, length)],
});

const CSUM_INET = 1;

/** Writes 2 bytes of a register into the transport header; its checksum, which is at `checksumAt` there, follows. */
export const transportStore = (offset: number, checksumAt: number, reg = REG_1): Expr => ({
  name: "payload",
  attrs: [
    be32(5, reg),
    be32(2, BASE.transport),
    be32(3, offset),
    be32(4, 2),
    be32(6, CSUM_INET),
    be32(7, checksumAt),
    be32(8, 0),
  ],
});

/** Header fields by name. The IPv4 and IPv6 ones need `family` in front of them in an inet table. */
export const PAYLOAD = {
  ipSource: ["network", 12, 4],
  ipDestination: ["network", 16, 4],
  ip6Source: ["network", 8, 16],
  ip6Destination: ["network", 24, 16],
  sourcePort: ["transport", 0, 2],
  destinationPort: ["transport", 2, 2],
} as const;

/** Loads a named header field. */
export function fieldLoad(field: keyof typeof PAYLOAD, reg = REG_1): Expr {
  const [base, offset, length] = PAYLOAD[field];
  return payloadLoad(base, offset, length, reg);
}

const CMP = { eq: 0, neq: 1 } as const;

/** Goes on only when the register equals (or differs from) the bytes. */
export const compare = (op: keyof typeof CMP, bytes: Uint8Array, reg = REG_1): Expr => ({
  name: "cmp",
  attrs: [be32(1, reg), be32(2, CMP[op]), valueData(3, bytes)],
});

/** register = (register & mask) ^ xor. */
export const bitwise = (mask: Uint8Array, xor: Uint8Array, reg = REG_1): Expr => ({
  name: "bitwise",
  attrs: [be32(1, reg), be32(2, reg), be32(3, mask.length), valueData(4, mask), valueData(5, xor)],
});

const CT = {
  state: 0,
  status: 2,
  mark: 3,
  destinationPort: 12,
  ipDestination: 20,
  ip6Destination: 22,
} as const;
const CT_DIRECTION_ORIGINAL = 0;

/** Loads a property of the packet's connection. */
export const ctLoad = (key: keyof typeof CT, reg = REG_1): Expr => ({
  name: "ct",
  attrs: [be32(2, CT[key]), be32(1, reg)],
});

/** Loads where the packet's connection was sent to by who began it, before any translation. */
export const ctOriginalLoad = (
  key: "ipDestination" | "ip6Destination" | "destinationPort",
  reg = REG_1,
): Expr => ({ name: "ct", attrs: [be32(2, CT[key]), be32(1, reg), u8(3, CT_DIRECTION_ORIGINAL)] });

/** Looks the register up in a set; with `inverted` goes on when it is not in there. */
export const lookup = (set: string, options: { reg?: number; inverted?: boolean } = {}): Expr => ({
  name: "lookup",
  attrs: [text(1, set), be32(2, options.reg ?? REG_1), ...(options.inverted ? [be32(5, 1)] : [])],
});

/** Looks the register up in a map and puts the data into `to`; goes on only when the key is there. */
export const lookupMap = (map: string, to: number | "verdict", reg = REG_1): Expr => ({
  name: "lookup",
  attrs: [text(1, map), be32(2, reg), be32(3, to === "verdict" ? REG_VERDICT : to)],
});

/** Puts bytes into a register. */
export const immediate = (bytes: Uint8Array, reg = REG_1): Expr => ({
  name: "immediate",
  attrs: [be32(1, reg), valueData(2, bytes)],
});

/** Ends the rule with a verdict. */
export const verdict = (v: Verdict): Expr => ({
  name: "immediate",
  attrs: [be32(1, REG_VERDICT), verdictData(2, v)],
});

/** Counts packets and bytes, shown by `nft list`. */
export const counter = (): Expr => ({ name: "counter", attrs: [] });

const REJECT = { tcpReset: 1, icmpx: 2 } as const;
const ICMPX_ADMIN_PROHIBITED = 3;

/** Ends the packet and tells its sender: by a reset, for TCP only, or that the way is forbidden. */
export const reject = (how: "tcpReset" | "prohibited"): Expr => ({
  name: "reject",
  attrs:
    how === "tcpReset"
      ? [be32(1, REJECT.tcpReset), u8(2, 0)]
      : [be32(1, REJECT.icmpx), u8(2, ICMPX_ADMIN_PROHIBITED)],
});

const NAT = { snat: 0, dnat: 1 } as const;
const NFPROTO = { ipv4: 2, ipv6: 10 } as const;

/** Family of the packets in an inet table. */
export type PacketFamily = keyof typeof NFPROTO;

/** Rewrites destination (or source) address and port from registers. */
export const nat = (
  kind: keyof typeof NAT,
  family: PacketFamily,
  addressReg: number,
  portReg?: number,
): Expr => ({
  name: "nat",
  attrs: [
    be32(1, NAT[kind]),
    be32(2, NFPROTO[family]),
    be32(3, addressReg),
    ...(portReg === undefined ? [] : [be32(5, portReg)]),
  ],
});

/** Rewrites the source to the address of the outgoing device. */
export const masquerade = (): Expr => ({ name: "masq", attrs: [] });

const FIB_RESULT_ADDRTYPE = 3;
const FIB_F_DADDR = 2;
const RTN_LOCAL = 2;

/** Matches packets to an address of this host (`fib daddr type local`). */
export const toLocalAddress = (): Expr[] => [
  { name: "fib", attrs: [be32(1, REG_1), be32(2, FIB_RESULT_ADDRTYPE), be32(3, FIB_F_DADDR)] },
  compare("eq", littleU32(RTN_LOCAL)),
];

/** Matches packets of one family in an inet table. */
export const family = (f: PacketFamily): Expr[] => [
  metaLoad("nfproto"),
  compare("eq", Uint8Array.of(NFPROTO[f])),
];

const CT_STATE = { invalid: 1, established: 2, related: 4, new: 8, untracked: 64 } as const;
const CT_STATUS = { snat: 0x10, dnat: 0x20 } as const;

const anyBit = (key: "state" | "status", mask: number): Expr[] => [
  ctLoad(key),
  bitwise(littleU32(mask), littleU32(0)),
  compare("neq", littleU32(0)),
];

/** Matches packets whose connection is in one of the states. */
export const ctState = (...states: (keyof typeof CT_STATE)[]): Expr[] =>
  anyBit(
    "state",
    states.reduce((mask, s) => mask | CT_STATE[s], 0),
  );

/** Matches packets whose connection was rewritten. */
export const ctStatus = (status: keyof typeof CT_STATUS): Expr[] => anyBit("status", CT_STATUS[status]);

/** Matches packets by the name of the incoming or outgoing device. */
export const deviceIs = (key: "iifname" | "oifname", name: string, op: keyof typeof CMP = "eq"): Expr[] => [
  metaLoad(key),
  compare(op, encodeField("ifname", name)),
];

/** Matches packets whose incoming or outgoing device is (or is not) in a set. */
export const deviceIn = (
  key: "iifname" | "oifname",
  set: string,
  options: { inverted?: boolean } = {},
): Expr[] => [metaLoad(key), lookup(set, options)];

/** Matches packets by a header field and a prefix length in bits; family must have been matched before. */
export function fieldIn(
  field: "ipSource" | "ipDestination" | "ip6Source" | "ip6Destination",
  type: FieldType,
  address: FieldValue,
  bits: number,
): Expr[] {
  const bytes = encodeField(type, address);
  const mask = bytes.map((_, i) => 0xff & ~(0xff >> Math.max(0, Math.min(8, bits - 8 * i))));
  return [
    fieldLoad(field),
    bitwise(mask, new Uint8Array(bytes.length)),
    compare(
      "eq",
      bytes.map((b, i) => b & (mask[i] as number)),
    ),
  ];
}

/** Attribute list of one expression, as rules and sets hold it. */
export const exprAttr = (type: number, e: Expr): Attr =>
  nest(type, e.attrs.length === 0 ? [text(1, e.name)] : [text(1, e.name), nest(2, e.attrs)]);
