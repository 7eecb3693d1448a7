// Distils Docker's description of its Engine API (moby, api/swagger.yaml) into what the tests need: `api-description.ts swagger.yaml`
// writes test/e2e/testdata/engine-api.json. Texts, examples and request bodies are left out.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";

type Node = Record<string, unknown>;

/** What a validator looks at; `properties` and `definitions` have names as keys. */
const KEPT = [
  "$ref",
  "additionalProperties",
  "allOf",
  "enum",
  "items",
  "properties",
  "required",
  "type",
  "x-nullable",
  "x-omitempty",
];

function schemaOf(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(schemaOf);
  const out: Node = {};
  for (const [key, inner] of Object.entries(value as Node)) {
    if (!KEPT.includes(key)) continue;
    if (key === "properties")
      out[key] = Object.fromEntries(
        Object.entries(inner as Node).map(([name, schema]) => [name, schemaOf(schema)]),
      );
    else if (["items", "additionalProperties", "allOf"].includes(key)) out[key] = schemaOf(inner);
    else out[key] = inner;
  }
  return out;
}

const path = process.argv[2] ?? "";
const api = parse(readFileSync(path, "utf8")) as {
  info: { version: string };
  definitions: Node;
  paths: Node;
};
const operations = Object.entries(api.paths).flatMap(([route, methods]) =>
  Object.entries(methods as Node)
    .filter(([method]) => ["get", "head", "post", "put", "delete"].includes(method))
    .map(([method, raw]) => {
      const { operationId, tags, responses } = raw as {
        operationId: string;
        tags?: string[];
        responses: Record<string, { schema?: unknown }>;
      };
      return {
        name: operationId,
        method: method.toUpperCase(),
        path: route,
        tag: tags?.[0] ?? "",
        responses: Object.fromEntries(
          Object.entries(responses).map(([code, { schema }]) => [
            code,
            schema === undefined ? null : schemaOf(schema),
          ]),
        ),
      };
    }),
);
const definitions = Object.fromEntries(
  Object.entries(api.definitions).map(([name, schema]) => [name, schemaOf(schema)]),
);
const target = fileURLToPath(new URL("../test/e2e/testdata/engine-api.json", import.meta.url));
writeFileSync(target, `${JSON.stringify({ version: api.info.version, operations, definitions })}\n`);
