// The two drawings of a run as SVG: how many times better than Docker each row is, and the curves of what grows. Pure; no fonts, no scripts,
// colours that can be read on light and dark pages.
import { judge, timesBetter } from "../goals.ts";
import type { Result } from "../runner.ts";
import { quantile } from "../stats.ts";
import { short } from "./table.ts";

const COLOURS: Readonly<Record<string, string>> = { berth: "#2f81f7", docker: "#8b949e", podman: "#a371f7" };
const GOAL = "#d29922";
const TEXT = "#7d8590";
const BAR = { height: 16, gap: 8, labels: 420, width: 460, top: 40 };

const escape = (text: string): string =>
  text.replaceAll("`", "").replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

function svg(width: number, height: number, body: readonly string[]): string {
  const style = `font-family="system-ui, sans-serif" font-size="12" fill="${TEXT}"`;
  const open = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" ${style}>`;
  return [open, ...body, "</svg>", ""].join("\n");
}

const label = (x: number, y: number, anchor: string, text: string): string =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}">${escape(text)}</text>`;

const stroke = (x1: number, y1: number, x2: number, y2: number, colour: string, width = 1): string =>
  `<line x1="${x1.toFixed(1)}" y1="${y1.toFixed(1)}" x2="${x2.toFixed(1)}" y2="${y2.toFixed(1)}" stroke="${colour}" stroke-width="${width}"/>`;

/** Bars on a logarithmic scale, one for each row that Docker has too; a mark stands at the goal. */
export function ratioChart(results: readonly Result[], title: string): string {
  const bars = results.filter((r) => r.curve === undefined && Number.isFinite(timesBetter(r)));
  const highest = Math.max(10, ...bars.map(timesBetter));
  const lowest = Math.min(0.5, ...bars.map(timesBetter));
  const scale = BAR.width / Math.log(highest / lowest);
  const at = (times: number): number => BAR.labels + Math.log(times / lowest) * scale;
  const bottom = BAR.top + bars.length * (BAR.height + BAR.gap);
  const ticks = [0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500].filter((t) => t >= lowest && t <= highest);
  const grid = ticks.flatMap((t) => [
    stroke(at(t), BAR.top - 6, at(t), bottom, "#7d859055"),
    label(at(t), BAR.top - 12, "middle", `${t} ×`),
  ]);
  const drawn = bars.flatMap((result, i) => {
    const times = timesBetter(result);
    const y = BAR.top + i * (BAR.height + BAR.gap);
    const [from, to] = [Math.min(at(1), at(times)), Math.max(at(1), at(times))];
    const colour = times >= 1 ? COLOURS["berth"] : "#da3633";
    const rect = `<rect x="${from.toFixed(1)}" y="${y}" width="${Math.max(1, to - from).toFixed(1)}" height="${BAR.height}" fill="${colour}"/>`;
    const faster = result.goal !== undefined && "faster" in result.goal ? result.goal.faster : undefined;
    const isMet = judge(result, results)?.isMet ?? true;
    const mark =
      faster === undefined ? [] : [stroke(at(faster), y - 2, at(faster), y + BAR.height + 2, GOAL, 2)];
    const value = `${short(times)} ×${isMet ? "" : " (goal missed)"}`;
    return [
      label(BAR.labels - 10, y + 12, "end", result.what),
      rect,
      ...mark,
      label(to + 6, y + 12, "start", value),
    ];
  });
  const head = label(10, 16, "start", title);
  return svg(BAR.labels + BAR.width + 130, bottom + 12, [head, ...grid, ...drawn]);
}

const PLOT = { width: 360, height: 200, left: 60, top: 36, gapX: 90, gapY: 70, columns: 2 };

/** One small plot for each curve, the medians of each engine over what exists; both axes begin at zero. */
export function growthChart(results: readonly Result[]): string {
  const titles = [...new Set(results.flatMap(({ curve }) => (curve === undefined ? [] : [curve.title])))];
  const cellWidth = PLOT.left + PLOT.width + PLOT.gapX;
  const cellHeight = PLOT.top + PLOT.height + PLOT.gapY;
  const body = titles.flatMap((title, i) => {
    const points = results.filter(({ curve }) => curve?.title === title);
    const x = PLOT.left + (i % PLOT.columns) * cellWidth;
    const y = PLOT.top + Math.floor(i / PLOT.columns) * cellHeight;
    return plot(title, points, x, y);
  });
  return svg(cellWidth * PLOT.columns, cellHeight * Math.ceil(titles.length / PLOT.columns), body);
}

function plot(title: string, points: readonly Result[], left: number, top: number): string[] {
  const kinds = [...new Set(points.flatMap(({ samples }) => Object.keys(samples)))];
  const series = kinds.map((kind) => ({
    kind,
    dots: points
      .filter(({ samples }) => (samples[kind]?.length ?? 0) > 0)
      .map(({ curve, samples }) => ({ x: curve?.x ?? 0, y: quantile(samples[kind] ?? [], 0.5) })),
  }));
  const dots = series.flatMap((s) => s.dots);
  const maxX = Math.max(1, ...dots.map(({ x }) => x));
  const maxY = Math.max(...dots.map(({ y }) => y), 1e-9);
  const atX = (x: number): number => left + (x / maxX) * PLOT.width;
  const atY = (y: number): number => top + PLOT.height - (y / maxY) * PLOT.height;
  const bottom = top + PLOT.height;
  const axes = [
    stroke(left, bottom, left + PLOT.width, bottom, TEXT),
    stroke(left, top, left, bottom, TEXT),
    label(left - 6, atY(maxY) + 4, "end", `${short(maxY)} ${points[0]?.unit ?? ""}`),
    label(left - 6, bottom, "end", "0"),
    ...[...new Set(dots.map(({ x }) => x))]
      .filter((x) => x >= maxX / 5)
      .map((x) => label(atX(x), bottom + 16, "middle", String(x))),
    label(left, top - 16, "start", title),
  ];
  const lines = series.flatMap(({ kind, dots: own }, i) => {
    const colour = COLOURS[kind] ?? TEXT;
    const path = own.map(({ x, y }) => `${atX(x).toFixed(1)},${atY(y).toFixed(1)}`).join(" ");
    const key = `<text x="${left + i * 80}" y="${bottom + 36}" fill="${colour}">${escape(kind)}</text>`;
    const circles = own.map(
      ({ x, y }) => `<circle cx="${atX(x).toFixed(1)}" cy="${atY(y).toFixed(1)}" r="3" fill="${colour}"/>`,
    );
    return [`<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`, ...circles, key];
  });
  return [...axes, ...lines];
}
