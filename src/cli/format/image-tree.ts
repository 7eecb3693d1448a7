// `images --tree`: every image with the platforms that its name stands for, what of them is here, and what it takes. Columns that the
// terminal has no room for are left out, as in Docker's client.

import { stripVTControlCharacters } from "node:util";
import type { ImageManifest, ImageSummary } from "../../api/schemas/image.ts";
import { humanSize } from "../../lib/units/size.ts";
import { truncateId, withoutSteering } from "./list.ts";

const GAP = "   ";
const NARROWEST_NAMES = 12;
const NO_TERMINAL_WIDTH = 80;
const BRANCH = "├─ ";
const LAST_BRANCH = "└─ ";
const EXPERIMENTAL =
  "WARNING: This is an experimental feature. The output may change and shouldn't be depended on.";

/** Puts a text in colour. */
type Paint = (text: string) => string;

const ansi =
  (...codes: number[]): Paint =>
  (text) =>
    `${codes.map((code) => `\u001b[${code}m`).join("")}${text}\u001b[0m`;
const none: Paint = (text) => text;

/** How each kind of text looks. */
interface Look {
  readonly warning: Paint;
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
  warning: none,
  title: none,
  name: none,
  untagged: none,
  here: none,
  absent: none,
  legend: " Info ->  U In Use ",
  used: "U",
  unused: " ",
};
const USED_MARK = "\u001b[38;5;0m\u001b[48;5;14m U \u001b[0m";
const FANCY: Look = {
  warning: ansi(93),
  title: ansi(39, 1),
  name: ansi(34, 1),
  untagged: ansi(39, 2),
  here: ansi(39),
  absent: ansi(39, 2),
  legend: `${ansi(1)(`${ansi(106)(ansi(30)("i"))} ${ansi(96)("Info → ")}`)} ${USED_MARK} In Use `,
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

/** Returns the whole text. `columns`: the terminal's width, 0 where there is none. */
export function imageTree(images: readonly ImageSummary[], columns: number): string {
  const look = columns === 0 ? PLAIN : FANCY;
  const width = Math.max(columns || NO_TERMINAL_WIDTH, 20);
  const layout = layoutOf(images, look, width);
  const titles = layout.columns.map((c) => GAP + cell(c.title, c, look.title)).join("");
  const legend = " ".repeat(Math.max(0, width - widthOf(look.legend))) + look.legend;
  const head = `${look.warning(EXPERIMENTAL)}\n${legend}\n\n${cell("IMAGE", layout.first, look.title)}${titles}\n`;
  const newestFirst = [...images].sort((a, b) => b.Created - a.Created);
  return head + newestFirst.map((image) => imageBlock(image, layout, look)).join("");
}

interface Layout {
  readonly first: Pick<Column, "width">;
  readonly columns: readonly Column[];
  /** Some image has platforms to show: all are set apart. */
  readonly isSpaced: boolean;
}

function layoutOf(images: readonly ImageSummary[], look: Look, width: number): Layout {
  const platforms = images.flatMap(platformsOf);
  let left = width;
  const columns: Column[] = [];
  for (const column of columnsOf(look, platforms.some(isUsed))) {
    const taken = column.width + GAP.length;
    if (left - taken < NARROWEST_NAMES) break;
    left -= taken;
    columns.push(column);
  }
  // compat: counted in bytes.
  const widths = [
    ...images.flatMap((image) => image.RepoTags ?? []),
    ...platforms.map((m) => LAST_BRANCH + platformText(m)),
  ].map((text) => Buffer.byteLength(text));
  const first = { width: Math.min(left, Math.max("IMAGE".length, ...widths)) };
  return { first, columns, isSpaced: platforms.length > 0 };
}

function imageBlock(image: ImageSummary, { first, columns, isSpaced }: Layout, look: Look): string {
  const platforms = platformsOf(image);
  const details: Details = {
    id: image.Id,
    sizeBytes: image.Size,
    contentBytes: (image.Manifests ?? []).reduce((sum, m) => sum + m.Size.Content, 0),
    isUsed: image.Containers > 0 || platforms.some(isUsed),
  };
  const line = (d: Details, paint: Paint): string =>
    columns.map((c) => GAP + cell(c.value(d), c, c.title === "EXTRA" ? none : paint)).join("");
  const rows = platforms.map((m, i) => {
    const paint = m.Available ? look.here : look.absent;
    const branch = i === platforms.length - 1 ? LAST_BRANCH : BRANCH;
    const own = { id: m.ID, sizeBytes: m.Size.Total, contentBytes: m.Size.Content, isUsed: isUsed(m) };
    return `${cell(branch + platformText(m), first, paint)}${line(own, paint)}\n`;
  });
  return `${namesOf(image, first, look)}${line(details, look.here)}${isSpaced ? "\n" : ""}${rows.join("")}\n`;
}

/** The longest name first; the last one shares its line with the columns. */
function namesOf(image: ImageSummary, first: Layout["first"], look: Look): string {
  const names = [...(image.RepoTags ?? [])].sort((a, b) => b.length - a.length);
  const last = names.pop();
  if (last === undefined) return cell("<untagged>", first, look.untagged);
  return names.map((name) => `${look.name(name)}\n`).join("") + cell(last, first, look.name);
}

const platformsOf = (image: ImageSummary): ImageManifest[] =>
  (image.Manifests ?? []).filter((m) => m.Kind === "image" && m.ImageData !== undefined);
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
