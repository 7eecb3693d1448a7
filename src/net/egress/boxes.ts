// Boxes of protocols × addresses × ports, made disjoint: the kernel refuses ranges that overlap in one set, rules may. Pure.

/** One side of a box, both ends included. */
export type Side = readonly [first: bigint, last: bigint];
/** Protocols, addresses, ports. */
export type Box = readonly [Side, Side, Side];

/** Returns boxes that cover the same and do not overlap. */
export function disjoint(boxes: readonly Box[]): Box[] {
  const done: Box[] = [];
  for (const box of [...boxes].sort((a, b) => (volume(b) > volume(a) ? 1 : -1)))
    done.push(...done.reduce<Box[]>((pieces, d) => pieces.flatMap((p) => without(p, d)), [box]));
  return done;
}

const volume = (box: Box): bigint =>
  box.reduce((product, [first, last]) => product * (last - first + 1n), 1n);

/** What of a box is not in another: at most six pieces, two at each side. */
function without(box: Box, other: Box): Box[] {
  if (box.some(([first, last], i) => last < (other[i] as Side)[0] || first > (other[i] as Side)[1]))
    return [box];
  const pieces: Box[] = [];
  let rest = box;
  for (const i of [0, 1, 2] as const) {
    const [first, last] = rest[i];
    const [from, to] = other[i];
    if (first < from) pieces.push(withSide(rest, i, [first, from - 1n]));
    if (last > to) pieces.push(withSide(rest, i, [to + 1n, last]));
    rest = withSide(rest, i, [first > from ? first : from, last < to ? last : to]);
  }
  return pieces;
}

const withSide = (box: Box, i: 0 | 1 | 2, side: Side): Box => [
  i === 0 ? side : box[0],
  i === 1 ? side : box[1],
  i === 2 ? side : box[2],
];
