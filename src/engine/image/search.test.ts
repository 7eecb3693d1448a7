import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { searchImages } from "./search.ts";

const RESULTS = [
  { name: "nginx", description: "server", star_count: 20, is_official: true, is_automated: false },
  { name: "me/nginx", description: "mine", star_count: 3, is_official: false },
];
const asked: string[] = [];
const server = createServer((request, response) => {
  asked.push(request.url ?? "");
  if (request.url?.includes("broken")) return void response.end("<html>");
  response.end(JSON.stringify({ num_results: 2, results: RESULTS }));
});
let host = "";
before(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
});
after(() => {
  server.closeAllConnections();
  server.close();
});

const search = (term: string, more: { limit?: number; filters?: Record<string, string[]> } = {}) =>
  searchImages(
    { mirrors: [], insecure: [], certsDirs: [] },
    { term, limit: more.limit, filters: more.filters ?? {}, registryAuth: undefined },
    new AbortController().signal,
  );

test("searchImages asks the index that the term names", async () => {
  assert.deepEqual(
    (await search(`${host}/ngi nx`)).map((r) => [r.name, r.star_count, r.is_automated]),
    [
      ["nginx", 20, false],
      ["me/nginx", 3, false],
    ],
  );
  assert.equal(asked.at(-1), "/v1/search?q=ngi+nx&n=25");
  await search(`${host}/x`, { limit: 7 });
  assert.equal(asked.at(-1), "/v1/search?q=x&n=7");
});

test("searchImages filters by stars and kind", async () => {
  const names = async (filters: Record<string, string[]>): Promise<string[]> =>
    (await search(`${host}/x`, { filters })).map((r) => r.name);
  assert.deepEqual(await names({ "is-official": ["true"] }), ["nginx"]);
  assert.deepEqual(await names({ "is-official": ["false"] }), ["me/nginx"]);
  assert.deepEqual(await names({ stars: ["4"] }), ["nginx"]);
  assert.deepEqual(await names({ "is-automated": ["1"] }), []);
});

test("searchImages refuses what makes no sense", async () => {
  for (const limit of [-1, 101])
    await assert.rejects(search(`${host}/x`, { limit }), {
      kind: "invalidParameter",
      message: /outside the range/,
    });
  await assert.rejects(search(`${host}/x`, { filters: { color: ["red"] } }), {
    message: "invalid filter 'color'",
  });
  await assert.rejects(search(`${host}/x`, { filters: { stars: ["many"] } }), { kind: "invalidParameter" });
  await assert.rejects(search(`http://${host}/x`), { kind: "invalidParameter" });
  await assert.rejects(search(`${host}/broken`), { kind: "system" });
});
