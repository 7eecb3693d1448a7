import { imageDiff, imageInspect } from "../../../api/operations/image.ts";
import { bool, string } from "../../../lib/flags/spec.ts";
import { humanSize } from "../../../lib/units/size.ts";
import { defineCommand, exactly } from "../../command.ts";
import { type Formatter, printList } from "../../format/list.ts";

/** A difference: of the files, or of the configuration. */
interface Row {
  readonly type: "A" | "C" | "D";
  readonly path: string;
  readonly size: string;
}

const columns: Formatter<Row> = {
  type: "*image.diffContext",
  headers: { Type: "CHANGE TYPE", Path: "PATH", Size: "SIZE" },
  fields: { Type: (row) => row.type, Path: (row) => row.path, Size: (row) => row.size },
};

export const command = defineCommand({
  operands: "[OPTIONS] IMAGE IMAGE",
  arity: exactly(2),
  flags: {
    config: bool("Show differences of the configuration instead of the files"),
    format: string("Format output using the given Go template (.Type, .Path, .Size)"),
    size: bool("Show by how much files grow", { short: "s" }),
  },
  async run(session, { args, flags }) {
    const [from = "", to = ""] = args;
    const client = await session.client();
    const rows = flags.config
      ? configRows(
          (await client.call(imageInspect, { name: from })) as Inspected,
          (await client.call(imageInspect, { name: to })) as Inspected,
        )
      : ((await client.call(imageDiff, { name: from, to })) ?? []).map((d) => ({
          type: (["C", "A", "D"] as const)[d.Kind] ?? "C",
          path: d.Path,
          size: sizeText(d.Size),
        }));
    const plain = flags.size ? "{{.Type}} {{.Path}}\t{{.Size}}" : "{{.Type}} {{.Path}}";
    await printList(columns, rows, { format: flags.format || plain, isTruncated: false });
  },
});

/** `+1.2kB`; nothing for what has no size of its own or keeps it. */
function sizeText(bytes: number): string {
  if (bytes === 0) return "";
  return `${bytes < 0 ? "-" : "+"}${humanSize(Math.abs(bytes))}`;
}

type Inspected = Readonly<Record<string, unknown>> & { readonly Config?: Readonly<Record<string, unknown>> };

/** What of an image besides its files says how it runs, and where. */
const FIELDS = ["Architecture", "Variant", "Os", "Author"];

function configRows(from: Inspected, to: Inspected): Row[] {
  const flat = (image: Inspected): Map<string, string> => {
    const own = FIELDS.map((name) => [name, image[name]] as const);
    const config = Object.entries(image.Config ?? {}).map(([name, v]) => [`Config.${name}`, v] as const);
    return new Map(
      [...own, ...config].flatMap(([k, v]) => (v === undefined || v === "" ? [] : [[k, JSON.stringify(v)]])),
    );
  };
  const [before, after] = [flat(from), flat(to)];
  return [...new Set([...before.keys(), ...after.keys()])].sort().flatMap((name): Row[] => {
    const [old, now] = [before.get(name), after.get(name)];
    if (old === now) return [];
    if (old === undefined) return [{ type: "A", path: `${name}: ${now}`, size: "" }];
    if (now === undefined) return [{ type: "D", path: `${name}: ${old}`, size: "" }];
    return [{ type: "C", path: `${name}: ${old} -> ${now}`, size: "" }];
  });
}
