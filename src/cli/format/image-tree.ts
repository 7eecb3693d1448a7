// What `images` shows: every name with its image, what that takes, and a mark for what containers use; with `--tree` every image under
// all its names, and the platforms that they stand for. Columns that the terminal has no room for are left out, as in Docker's client.

import { stripVTControlCharacters } from "node:util";
import type { ImageManifest, ImageSummary } from "../../api/schemas/image.ts";
import { humanSize } from "../../lib/units/size.ts";
import { truncateId, withoutSteering } from "./list.ts";

const GAP = "   ";
const NARROWEST_NAMES = 12;
const NARROWEST_TERMINAL = 20;
const BRANCH = "├─ ";
const LAST_BRANCH = "└─ ";
const UNTAGGED = "<untagged>";

/** Puts a text in colour. */
type Paint = (text: string) => string;

const ansi =
  (...codes: number[]): Paint =>
  (text) =>
    `${codes.map((code) => `\u001b[${code}m`).join("")}${text}\u001b[0m`;
const none: Paint = (text) => text;

/** How each kind of text looks. */
interface Look {
  readonly title: Paint;
  readonly name: Paint;
  readonly untagged: Paint;
  readonly here: Paint;
  readonly absent: Paint;
  readonly legend: string;
  /** The mark of what containers use, and its absence. */
  readonly used: string;
  readonly unused: string;
}

const PLAIN: Look = {
  title: none,
  name: none,
  untagged: none,
  here: none,
  absent: none,
  legend: " Info ->  U In Use",
  used: "U",
  unused: " ",
};
const USED_MARK = "\u001b[38;5;0m\u001b[48;5;14m U \u001b[0m";
const FANCY: Look = {
  title: ansi(39, 1),
  name: ansi(34, 1),
  untagged: ansi(39, 2),
  here: ansi(39),
  absent: ansi(39, 2),
  legend: `${ansi(1)(`${ansi(106)(ansi(30)("i"))} ${ansi(96)("Info → ")}`)} ${USED_MARK} In Use`,
  used: USED_MARK,
  unused: "   ",
};

interface Details {
  readonly id: string;
  readonly sizeBytes: number;
  readonly contentBytes: number;
  readonly isUsed: boolean;
}

interface Column {
  readonly title: string;
  readonly width: number;
  readonly isRight?: boolean;
  readonly value: (d: Details) => string;
}

/** The columns besides the names; `hasUsed`: there is something to mark. */
function columnsOf(look: Look, hasUsed: boolean): Column[] {
  return [
    { title: "ID", width: 12, value: (d) => truncateId(d.id) },
    { title: "DISK USAGE", width: 10, isRight: true, value: (d) => humanSize(d.sizeBytes, 3) },
    { title: "CONTENT SIZE", width: 12, isRight: true, value: (d) => humanSize(d.contentBytes, 3) },
    { title: "EXTRA", width: 5, value: (d) => (hasUsed ? (d.isUsed ? look.used : look.unused) : "") },
  ];
}

/** How the list is laid out. */
export interface TreeView {
  /** The terminal's width, 0 where there is none. */
  readonly columns: number;
  /** Without colours, terminal or not. */
  readonly isPlain: boolean;
  /** With the platforms, every image once; else a line for every name. */
  readonly isExpanded: boolean;
}

/** An image under some of its names. */
interface Entry {
  readonly names: readonly string[];
  readonly image: ImageSummary;
  /** Those that are shown. */
  readonly platforms: readonly ImageManifest[];
}

/** Returns the whole text. */
export function imageTree(images: readonly ImageSummary[], view: TreeView): string {
  const look = view.columns === 0 || view.isPlain ? PLAIN : FANCY;
  const width = view.columns === 0 ? 0 : Math.max(view.columns, NARROWEST_TERMINAL);
  const entries = images.flatMap((image) => entriesOf(image, view.isExpanded)).sort(byName);
  const layout = layoutOf(entries, look, width);
  const titles = layout.columns.map((c) => GAP + cell(c.title, c, look.title)).join("");
  // The legend stands at the right edge, where there is one.
  const legend =
    width === 0 ? "" : `${" ".repeat(Math.max(0, width - widthOf(look.legend)))}${look.legend}\n`;
  const head = `${legend}${nameCell("IMAGE", layout.first, look.title)}${titles}\n`;
  return head + entries.map((entry) => imageBlock(entry, layout, look)).join("");
}

/** How many lines or blocks `imageTree` makes of the images. */
export const treeSize = (images: readonly ImageSummary[], isExpanded: boolean): number =>
  images.reduce((sum, image) => sum + entriesOf(image, isExpanded).length, 0);

function entriesOf(image: ImageSummary, isExpanded: boolean): Entry[] {
  const names = [...(image.RepoTags ?? [])].sort();
  if (isExpanded) return [{ names, image, platforms: platformsOf(image) }];
  return (names.length === 0 ? [[]] : names.map((name) => [name])).map((own) => ({
    names: own,
    image,
    platforms: [],
  }));
}

/** What has no name comes last. */
function byName({ names: [a] }: Entry, { names: [b] }: Entry): number {
  if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined);
  return a < b ? -1 : Number(a > b);
}

interface Layout {
  readonly first: Pick<Column, "width">;
  readonly columns: readonly Column[];
  /** Some image has platforms to show: all are set apart. */
  readonly isSpaced: boolean;
}

function layoutOf(entries: readonly Entry[], look: Look, width: number): Layout {
  const platforms = entries.flatMap((entry) => entry.platforms);
  const all = columnsOf(
    look,
    entries.some(({ image }) => isImageUsed(image)),
  );
  let left = width;
  const columns: Column[] = [];
  for (const column of all) {
    const taken = column.width + GAP.length;
    if (width > 0 && left - taken < NARROWEST_NAMES) break;
    left -= taken;
    columns.push(column);
  }
  // compat: counted in bytes.
  const widths = [
    ...entries.flatMap(({ names }) => (names.length === 0 ? [UNTAGGED] : names)),
    ...platforms.map((m) => LAST_BRANCH + platformText(m)),
  ].map((text) => Buffer.byteLength(text));
  const widest = Math.max("IMAGE".length, ...widths);
  const first = { width: width === 0 ? widest : Math.min(left, widest) };
  return { first, columns, isSpaced: platforms.length > 0 };
}

function imageBlock(entry: Entry, { first, columns, isSpaced }: Layout, look: Look): string {
  const { image, platforms } = entry;
  const details: Details = {
    id: image.Id,
    sizeBytes: image.Size,
    contentBytes: (image.Manifests ?? []).reduce((sum, m) => sum + m.Size.Content, 0),
    isUsed: isImageUsed(image),
  };
  const line = (d: Details, paint: Paint): string =>
    columns.map((c) => GAP + cell(c.value(d), c, c.title === "EXTRA" ? none : paint)).join("");
  const rows = platforms.map((m, i) => {
    const paint = m.Available ? look.here : look.absent;
    const branch = i === platforms.length - 1 ? LAST_BRANCH : BRANCH;
    const own = { id: m.ID, sizeBytes: m.Size.Total, contentBytes: m.Size.Content, isUsed: isUsed(m) };
    return `${nameCell(branch + platformText(m), first, paint)}${line(own, paint)}\n`;
  });
  return `${namesOf(entry, first, look)}${line(details, look.here)}${isSpaced ? "\n" : ""}${rows.join("")}\n`;
}

/** The last name shares its line with the columns, unless it has no room there. */
function namesOf({ names }: Entry, first: Layout["first"], look: Look): string {
  if (names.length === 0) return nameCell(UNTAGGED, first, look.untagged);
  return names
    .map((name, i) => {
      const text = nameCell(name, first, look.name);
      if (i < names.length - 1) return `${text}\n`;
      return widthOf(name) > first.width ? `${text}\n${" ".repeat(first.width)}` : text;
    })
    .join("");
}

/** A name is never cut. */
const nameCell = (text: string, { width }: Layout["first"], paint: Paint): string =>
  paint(text) + " ".repeat(Math.max(0, width - widthOf(text)));

const platformsOf = (image: ImageSummary): ImageManifest[] =>
  (image.Manifests ?? []).filter((m) => m.Kind === "image" && m.ImageData !== undefined);
/** compat: where any of its platforms is. */
const isImageUsed = (image: ImageSummary): boolean => image.Containers > 0 || platformsOf(image).some(isUsed);
const isUsed = (m: ImageManifest): boolean => (m.ImageData?.Containers.length ?? 0) > 0;

function platformText(m: ImageManifest): string {
  const { os = "", architecture = "", variant } = m.ImageData?.Platform ?? {};
  return withoutSteering([os, architecture, ...(variant ? [variant] : [])].join("/"));
}

function cell(text: string, { width, isRight }: Pick<Column, "width" | "isRight">, paint: Paint): string {
  const fill = width - widthOf(text);
  if (fill < 0) return paint(`${[...text].slice(0, width - 1).join("")}…`);
  return isRight ? " ".repeat(fill) + paint(text) : paint(text) + " ".repeat(fill);
}

/** Columns of a text, without what colours it. */
function widthOf(text: string): number {
  return [...stripVTControlCharacters(text)].length;
}
