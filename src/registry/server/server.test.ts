import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { digestOf } from "../../oci/digest.ts";
import { openRegistry, type Registry, type RegistryOptions } from "./open.ts";

const made: string[] = [];
after(async () => {
  for (const dir of made) await rm(dir, { recursive: true, force: true });
});

async function freshDir(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "berth-registry-"));
  made.push(dir);
  return dir;
}

async function start(
  options: Partial<RegistryOptions> = {},
): Promise<Registry & { url: string; root: string }> {
  const root = options.root ?? (await freshDir());
  const registry = await openRegistry({
    root,
    listen: { host: "127.0.0.1", port: 0 },
    realm: "test",
    isReadOnly: false,
    keepMs: 3600_000,
    log: () => {},
    ...options,
  });
  return Object.assign(registry, { url: `http://${registry.address}/v2`, root });
}

const EMPTY = Buffer.from("{}");
const MANIFEST = "application/vnd.oci.image.manifest.v1+json";

async function pushBlob(url: string, name: string, bytes: Uint8Array): Promise<string> {
  const digest = digestOf(bytes);
  const response = await fetch(`${url}/${name}/blobs/uploads/?digest=${digest}`, {
    method: "POST",
    body: bytes,
  });
  assert.equal(response.status, 201);
  return digest;
}

/** Pushes a manifest of one layer; returns its digest and bytes. */
async function pushImage(
  url: string,
  name: string,
  reference: string,
  { layer = randomBytes(100), more = {} }: { layer?: Buffer; more?: object } = {},
) {
  await pushBlob(url, name, EMPTY);
  await pushBlob(url, name, layer);
  const descriptor = (mediaType: string, bytes: Buffer) => ({
    mediaType,
    digest: digestOf(bytes),
    size: bytes.length,
  });
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MANIFEST,
      config: descriptor("application/vnd.oci.image.config.v1+json", EMPTY),
      layers: [descriptor("application/vnd.oci.image.layer.v1.tar", layer)],
      ...more,
    }),
  );
  const response = await put(`${url}/${name}/manifests/${reference}`, bytes);
  assert.equal(response.status, 201, await response.clone().text());
  return { digest: digestOf(bytes), bytes, layer, response };
}

const put = (url: string, bytes: Uint8Array, type = MANIFEST): Promise<Response> =>
  fetch(url, { method: "PUT", body: bytes, headers: { "Content-Type": type } });

async function codeOf(response: Response): Promise<string> {
  return ((await response.json()) as { errors: { code: string }[] }).errors[0]?.code ?? "";
}

async function blobsIn(root: string): Promise<string[]> {
  return (await readdir(join(root, "content/sha256"))).map((hex) => `sha256:${hex}`).sort();
}

describe("pushing", () => {
  test("a chunked upload goes on where its client says it is, and nowhere else", async () => {
    await using r = await start();
    const bytes = randomBytes(3000);
    const begun = await fetch(`${r.url}/a/b/blobs/uploads/`, { method: "POST" });
    assert.equal(begun.status, 202);
    const place = new URL(begun.headers.get("location") ?? "", r.url);
    const chunk = (from: number, to: number): Promise<Response> =>
      fetch(place, {
        method: "PATCH",
        body: bytes.subarray(from, to),
        headers: { "Content-Range": `${from}-${to - 1}` },
      });
    const first = await chunk(0, 1000);
    assert.deepEqual([first.status, first.headers.get("range")], [202, "0-999"]);
    const early = await chunk(2000, 3000);
    assert.deepEqual([early.status, early.headers.get("range")], [416, "0-999"]);
    assert.equal((await chunk(1000, 2000)).status, 202);
    const status = await fetch(place);
    assert.deepEqual([status.status, status.headers.get("range")], [204, "0-1999"]);
    place.searchParams.set("digest", digestOf(bytes));
    const done = await fetch(place, { method: "PUT", body: bytes.subarray(2000) });
    assert.equal(done.status, 201);
    const pulled = await fetch(`${r.url}/a/b/blobs/${digestOf(bytes)}`);
    assert.deepEqual(Buffer.from(await pulled.arrayBuffer()), bytes);
    assert.equal((await fetch(place)).status, 404);
  });

  test("content with another digest is refused and not kept", async () => {
    await using r = await start();
    const wrong = await fetch(`${r.url}/a/blobs/uploads/?digest=${digestOf("other")}`, {
      method: "POST",
      body: "this",
    });
    assert.deepEqual([wrong.status, await codeOf(wrong)], [400, "DIGEST_INVALID"]);
    const manifest = await put(`${r.url}/a/manifests/${digestOf("other")}`, Buffer.from("{}"));
    assert.deepEqual([manifest.status, await codeOf(manifest)], [400, "DIGEST_INVALID"]);
    assert.deepEqual(await blobsIn(r.root), []);
    assert.deepEqual(await readdir(join(r.root, "content/ingest")), []);
  });

  test("a blob is mounted from a repository that has it, and stays as long as one of both does", async () => {
    await using r = await start();
    const digest = await pushBlob(r.url, "one", Buffer.from("shared"));
    const mount = (from: string) =>
      fetch(`${r.url}/two/blobs/uploads/?mount=${digest}&from=${from}`, { method: "POST" });
    assert.equal((await mount("nobody")).status, 202);
    assert.equal((await mount("one")).status, 201);
    assert.equal((await fetch(`${r.url}/one/blobs/${digest}`, { method: "DELETE" })).status, 202);
    assert.equal((await fetch(`${r.url}/one/blobs/${digest}`)).status, 404);
    assert.equal((await fetch(`${r.url}/two/blobs/${digest}`)).status, 200);
    assert.equal((await fetch(`${r.url}/two/blobs/${digest}`, { method: "DELETE" })).status, 202);
    assert.deepEqual(await blobsIn(r.root), []);
  });

  test("manifests that are none, too big, or need what is not there are refused", async () => {
    await using r = await start();
    const { bytes } = await pushImage(r.url, "a", "1");
    const cases: [string, Buffer, string, string][] = [
      ["b", bytes, MANIFEST, "MANIFEST_BLOB_UNKNOWN"],
      ["a", Buffer.from("no json"), MANIFEST, "MANIFEST_INVALID"],
      ["a", Buffer.from('{"schemaVersion":1}'), MANIFEST, "MANIFEST_INVALID"],
      ["a", Buffer.from('{"schemaVersion":2,"layers":[],"manifests":[]}'), MANIFEST, "MANIFEST_INVALID"],
      ["a", Buffer.alloc((4 << 20) + 1, " "), MANIFEST, "SIZE_INVALID"],
    ];
    for (const [name, body, type, code] of cases)
      assert.equal(await codeOf(await put(`${r.url}/${name}/manifests/x`, body, type)), code);
    assert.equal(await codeOf(await put(`${r.url}/a/manifests/.x`, bytes)), "TAG_INVALID");
    assert.equal(await codeOf(await put(`${r.url}/A/manifests/x`, bytes)), "NAME_INVALID");
    assert.deepEqual(await (await fetch(`${r.url}/a/tags/list`)).json(), { name: "a", tags: ["1"] });
  });

  test("a read-only registry takes nothing", async () => {
    await using r = await start({ isReadOnly: true });
    const response = await fetch(`${r.url}/a/blobs/uploads/`, { method: "POST" });
    assert.deepEqual([response.status, await codeOf(response)], [405, "UNSUPPORTED"]);
  });
});

describe("pulling", () => {
  test("parts of a blob are served, and what is outside of it is refused", async () => {
    await using r = await start();
    const digest = await pushBlob(r.url, "a", Buffer.from("0123456789"));
    const get = async (range: string) => {
      const response = await fetch(`${r.url}/a/blobs/${digest}`, { headers: { Range: range } });
      return [
        response.status,
        response.headers.get("content-range"),
        response.ok ? await response.text() : "",
      ];
    };
    assert.deepEqual(await get("bytes=2-4"), [206, "bytes 2-4/10", "234"]);
    assert.deepEqual(await get("bytes=7-"), [206, "bytes 7-9/10", "789"]);
    assert.deepEqual(await get("bytes=-2"), [206, "bytes 8-9/10", "89"]);
    assert.deepEqual(await get("bytes=4-99"), [206, "bytes 4-9/10", "456789"]);
    assert.deepEqual(await get("bytes=10-"), [416, "bytes */10", ""]);
    assert.deepEqual(await get("bytes=0-1,3-4"), [200, null, "0123456789"]);
  });

  test("tags and repositories are listed page by page, in order", async () => {
    await using r = await start();
    for (const tag of ["c", "a", "b"]) await pushImage(r.url, "x/y", tag);
    await pushImage(r.url, "w", "1");
    const tags: string[][] = [];
    let next: string | undefined = `${r.url}/x/y/tags/list?n=2`;
    while (next !== undefined) {
      const response: Response = await fetch(next);
      tags.push(((await response.json()) as { tags: string[] }).tags);
      const link: string | undefined = /<(.+)>; rel="next"/.exec(response.headers.get("link") ?? "")?.[1];
      next = link === undefined ? undefined : new URL(link, r.url).href;
    }
    assert.deepEqual(tags, [["a", "b"], ["c"]]);
    assert.deepEqual(await (await fetch(`${r.url}/_catalog`)).json(), { repositories: ["w", "x/y"] });
    assert.equal(await codeOf(await fetch(`${r.url}/nothing/tags/list`)), "NAME_UNKNOWN");
    assert.equal(await codeOf(await fetch(`${r.url}/w/tags/list?n=x`)), "PAGINATION_NUMBER_INVALID");
  });

  test("referrers are the manifests about another one, also one that comes later", async () => {
    await using r = await start();
    const subject = await pushImage(r.url, "a", "image");
    const about = { mediaType: MANIFEST, digest: subject.digest, size: subject.bytes.length };
    const one = await pushImage(r.url, "a", "sbom", {
      more: { subject: about, artifactType: "x/sbom", annotations: { k: "v" } },
    });
    const two = await pushImage(r.url, "a", "sig", { more: { subject: about, artifactType: "x/sig" } });
    assert.equal(one.response.headers.get("oci-subject"), subject.digest);
    const list = async (query = "") => {
      const response = await fetch(`${r.url}/a/referrers/${subject.digest}${query}`);
      const { manifests } = (await response.json()) as { manifests: { digest: string }[] };
      return [response.headers.get("oci-filters-applied"), manifests.map((m) => m.digest)];
    };
    assert.deepEqual(await list(), [null, [one.digest, two.digest]]);
    assert.deepEqual(await list("?artifactType=x/sig"), ["artifactType", [two.digest]]);
    await fetch(`${r.url}/a/manifests/${one.digest}`, { method: "DELETE" });
    assert.deepEqual(await list(), [null, [two.digest]]);
  });

  test("deleting a tag leaves its manifest, deleting a manifest takes its tags", async () => {
    await using r = await start();
    const { digest } = await pushImage(r.url, "a", "1");
    await pushImage(r.url, "a", "2", { layer: Buffer.from("second") });
    const del = async (what: string) =>
      (await fetch(`${r.url}/a/manifests/${what}`, { method: "DELETE" })).status;
    assert.deepEqual([await del("2"), await del("2")], [202, 404]);
    assert.equal((await fetch(`${r.url}/a/manifests/${digest}`)).status, 200);
    assert.equal(await del(digest), 202);
    assert.deepEqual(await (await fetch(`${r.url}/a/tags/list`)).json(), { name: "a", tags: [] });
  });
});

test("what was pushed is there after a restart; what nobody needs goes, what is young stays", async () => {
  const root = await freshDir();
  let kept = "";
  let layer = "";
  {
    await using r = await start({ root });
    const image = await pushImage(r.url, "a", "1");
    [kept, layer] = [image.digest, digestOf(image.layer)];
    await pushBlob(r.url, "a", Buffer.from("of a push that was given up"));
  }
  await writeFile(join(root, "content/ingest/half"), "half");
  await using r = await start({ root });
  assert.equal((await fetch(`${r.url}/a/manifests/1`)).headers.get("docker-content-digest"), kept);
  assert.equal((await fetch(`${r.url}/a/blobs/${layer}`)).status, 200);
  assert.equal((await blobsIn(root)).length, 4);
  assert.deepEqual(await readdir(join(root, "content/ingest")), []);
});

test("an upload goes on after a restart, for its repository, from where it was, or is cancelled", async () => {
  const root = await freshDir();
  const bytes = randomBytes(3000);
  const digest = digestOf(bytes);
  const places: string[] = [];
  {
    await using r = await start({ root });
    for (const name of ["a/b", "a/b", "other"]) {
      const begun = await fetch(`${r.url}/${name}/blobs/uploads/`, { method: "POST" });
      places.push((begun.headers.get("location") ?? "").replace(/^\/v2/, ""));
      const sent = await fetch(`${r.url}${places.at(-1)}`, {
        method: "PATCH",
        body: bytes.subarray(0, 1000),
      });
      assert.equal(sent.headers.get("range"), "0-999");
    }
  }
  await writeFile(join(root, "content/resumable/of-nobody"), "left by a crash");
  await rm(join(root, "content/resumable", places[2]?.split("/").at(-1) ?? ""));
  await using r = await start({ root });
  const [place = "", second = "", lost = ""] = places.map((path) => r.url + path);
  const status = await fetch(place);
  assert.deepEqual([status.status, status.headers.get("range")], [204, "0-999"]);
  assert.equal((await fetch(lost)).status, 404, "bytes that are lost are no upload");
  const elsewhere = await fetch(place.replace("/a/b/", "/other/"));
  assert.deepEqual([elsewhere.status, await codeOf(elsewhere)], [404, "BLOB_UPLOAD_UNKNOWN"]);
  const patch = (from: number) =>
    fetch(place, {
      method: "PATCH",
      body: bytes.subarray(from),
      headers: { "Content-Range": `${from}-${bytes.length - 1}` },
    });
  assert.equal((await patch(2000)).status, 416);
  assert.equal((await patch(1000)).status, 202);
  assert.equal((await fetch(`${place}?digest=${digest}`, { method: "PUT" })).status, 201);
  const pulled = await fetch(`${r.url}/a/b/blobs/${digest}`);
  assert.ok(Buffer.from(await pulled.arrayBuffer()).equals(bytes));
  assert.equal((await fetch(second, { method: "DELETE" })).status, 204);
  assert.equal((await fetch(second)).status, 404);
  assert.deepEqual(await readdir(join(root, "content/resumable")), []);
});

test("htpasswd lets in who knows the password, and asks the others for it", async () => {
  const dir = await freshDir();
  const hash = await (
    globalThis as unknown as { Bun: { password: { hash(p: string, o: object): Promise<string> } } }
  ).Bun.password.hash("secret", { algorithm: "bcrypt", cost: 4 });
  const path = join(dir, "htpasswd");
  await writeFile(path, `# who\nme:${hash.replace("$2b", "$2y")}\n`);
  await using r = await start({ htpasswd: path });
  const ask = async (credentials?: string): Promise<[number, string | null]> => {
    const authorization = `Basic ${Buffer.from(credentials ?? "").toString("base64")}`;
    const response = await fetch(`${r.url}/`, {
      headers: credentials === undefined ? {} : { authorization },
    });
    return [response.status, response.headers.get("www-authenticate")];
  };
  const refused: [number, string] = [401, 'Basic realm="test"'];
  assert.deepEqual(await ask(), refused);
  assert.deepEqual(await ask("me:wrong"), refused);
  assert.deepEqual(await ask("you:secret"), refused);
  assert.deepEqual(await ask("me:secret"), [200, null]);
  assert.deepEqual(await ask("me:secret"), [200, null]);
  assert.deepEqual(await ask("me:wrong"), refused);
  await writeFile(path, "");
  assert.deepEqual(await ask("me:secret"), refused);
});

test("an htpasswd file with other hashes is refused", async () => {
  const path = join(await freshDir(), "htpasswd");
  await writeFile(path, `me:{SHA}${createHash("sha1").update("x").digest("base64")}\n`);
  await assert.rejects(start({ htpasswd: path }), { kind: "invalidParameter", message: /line 1.*bcrypt/ });
});

test("a cache fetches once, asks again for tags, and goes on alone when the other does not answer", async () => {
  const requests: string[] = [];
  const upstream = await start({ log: (line) => requests.push(line) });
  const { digest, layer } = await pushImage(upstream.url, "a", "1", { layer: randomBytes(1_000_000) });
  await using cache = await start({ upstream: { address: upstream.url.replace(/\/v2$/, "") } });
  const pull = async (): Promise<void> => {
    const manifest = await fetch(`${cache.url}/a/manifests/1`);
    assert.equal(manifest.headers.get("docker-content-digest"), digest);
    const blob = await fetch(`${cache.url}/a/blobs/${digestOf(layer)}`);
    assert.deepEqual(Buffer.from(await blob.arrayBuffer()), layer);
  };
  requests.length = 0;
  await Promise.all([pull(), pull()]);
  await pull();
  assert.equal(requests.filter((line) => line.includes("/blobs/")).length, 1, requests.join("\n"));
  const other = await pushImage(upstream.url, "a", "1", { layer: Buffer.from("moved") });
  const moved = await fetch(`${cache.url}/a/manifests/1`);
  assert.equal(moved.headers.get("docker-content-digest"), other.digest);
  assert.equal((await fetch(`${cache.url}/a/manifests/2`)).status, 404);
  assert.equal((await fetch(`${cache.url}/a/blobs/${digestOf("none")}`)).status, 404);
  assert.equal((await put(`${cache.url}/a/manifests/x`, Buffer.from("{}"))).status, 405);
  await upstream[Symbol.asyncDispose]();
  assert.equal(
    (await fetch(`${cache.url}/a/manifests/1`)).headers.get("docker-content-digest"),
    other.digest,
  );
  assert.equal((await fetch(`${cache.url}/a/blobs/${digestOf(layer)}`)).status, 200);
});
