// What comes by plain HTTP: `import URL`, and `search`. There is no index of Docker Hub's kind here: a small server of this file's speaks the
// one call of the v1 protocol that `search` makes, as Docker Hub documents it, and serves the files.
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { baseImageTar } from "./base-image.ts";
import { Live } from "./command.ts";
import { clients, TestDaemon } from "./harness.ts";

const HOST = "127.0.0.1:8000";

const SERVER = `
import { createReadStream } from "node:fs";
import { createServer } from "node:http";
const [dir] = process.argv.slice(-1);
const RESULTS = [
  { name: "nginx", description: "Official build of Nginx.\\nA second line that makes it longer than the column", star_count: 21000, is_official: true },
  { name: "me/nginx", description: "mine", star_count: 3, is_official: false, is_automated: true },
];
createServer((request, response) => {
  const url = new URL(request.url, "http://localhost");
  console.log(request.method, request.url, request.headers.authorization ?? "-");
  const send = (name) => createReadStream(dir + "/" + name).pipe(response);
  switch (url.pathname) {
    case "/v1/search": {
      const results = RESULTS.filter((r) => r.name.includes(url.searchParams.get("q") ?? ""));
      return response.end(JSON.stringify({ num_results: results.length, query: "", results: results.slice(0, Number(url.searchParams.get("n"))) }));
    }
    case "/rootfs.tar": case "/rootfs.tar.gz": return send(url.pathname.slice(1));
    case "/moved": return response.writeHead(302, { Location: "/rootfs.tar" }).end();
    case "/cut":
      response.writeHead(200, { "Content-Length": 5_000_000 });
      return response.write(Buffer.alloc(1000), () => request.socket.destroy());
    case "/text": return response.end("no archive ".repeat(100));
    default: return response.writeHead(404).end("there is no " + url.pathname);
  }
}).listen(8000, "127.0.0.1", () => console.log("ready"));
`;

describe("sources on the web", () => {
  let daemon: TestDaemon;
  let server: Live;

  before(async () => {
    daemon = await TestDaemon.start();
    const dir = daemon.path("www");
    await mkdir(dir);
    const tar = await baseImageTar();
    await writeFile(`${dir}/rootfs.tar`, tar);
    await writeFile(`${dir}/rootfs.tar.gz`, gzipSync(tar, { level: 1 }));
    await writeFile(daemon.path("server.mjs"), SERVER);
    server = new Live(daemon.network.wrap([process.execPath, daemon.path("server.mjs"), dir]), {
      timeoutMs: 600_000,
    });
    await server.prints("ready");
  });
  after(async () => {
    server.kill("SIGKILL");
    await server.ended;
    await daemon.close();
  });

  for (const client of clients) {
    const text = (...args: string[]): Promise<string> => daemon.text(client, args);
    const refused = async (...args: string[]): Promise<string> => {
      const { status, stderr } = await daemon.run(client, args);
      assert.equal(status, 1, args.join(" "));
      return stderr;
    };

    test(`${client.name}: import takes an archive from a URL, compressed, redirected, with changes and a message`, async () => {
      const layers = new Set<string>();
      for (const path of ["rootfs.tar", "rootfs.tar.gz", "moved"]) {
        const name = `web-${client.name}:1`;
        const said = await text("import", "-c", 'CMD ["echo", "from afar"]', `http://${HOST}/${path}`, name);
        assert.match(said, new RegExp(`^Downloading from http://${HOST}/${path}\\n`));
        const id = await text("image", "inspect", "-f", "{{.Id}}", name);
        assert.equal(said.split("\n").at(-1), id);
        assert.equal(await text("run", "--rm", name), "from afar");
        assert.match(
          await text("history", "--format", "{{.Comment}}", name),
          new RegExp(`^Imported from http://${HOST}/${path}$`),
        );
        layers.add(await text("image", "inspect", "-f", "{{json .RootFS.Layers}}", name));
        await text("rmi", name);
      }
      assert.equal(layers.size, 1, "each time the same layer");
      await text("import", "-m", "own words", `http://${HOST}/rootfs.tar`, `web-${client.name}:2`);
      assert.equal(await text("history", "--format", "{{.Comment}}", `web-${client.name}:2`), "own words");
      await text("rmi", `web-${client.name}:2`);
    });

    test(`${client.name}: import says why it does not, and leaves nothing`, async () => {
      const images = await text("images", "-aq");
      assert.match(
        await refused("import", `http://${HOST}/none`, "x"),
        new RegExp(`failed to GET http://${HOST}/none with status 404 Not Found: there is no /none`),
      );
      assert.match(
        await refused("import", "http://127.0.0.1:9/x", "x"),
        /Get "http:\/\/127\.0\.0\.1:9\/x": /,
      );
      assert.notEqual(await refused("import", `http://${HOST}/cut`, "x"), "");
      assert.notEqual(await refused("import", `http://${HOST}/text`, "x"), "");
      assert.equal(await text("images", "-aq"), images);
    });

    test(`${client.name}: search asks the index that the term names`, async () => {
      const found = await text(
        "search",
        "--format",
        "{{.Name}} {{.StarCount}} {{.IsOfficial}}",
        `${HOST}/nginx`,
      );
      assert.equal(found, "nginx 21000 [OK]\nme/nginx 3 ");
      const shown = (await text("search", "--limit", "1", `${HOST}/nginx`)).split("\n");
      assert.match(shown[0] ?? "", /^NAME +DESCRIPTION +STARS +OFFICIAL/);
      assert.match(shown[1] ?? "", /^nginx +Official build of Nginx\. A second line that … +21000 +\[OK\]$/);
      assert.equal(shown.length, 2);
      assert.match(server.output, /^GET \/v1\/search\?q=nginx&n=1 -$/m);
      const official = await text(
        "search",
        "-f",
        "is-official=false",
        "--format",
        "{{.Name}}",
        `${HOST}/nginx`,
      );
      assert.equal(official, "me/nginx");
      assert.equal(
        await text("search", "-f", "stars=10", "--no-trunc", "--format", "{{.Description}}", `${HOST}/nginx`),
        "Official build of Nginx. A second line that makes it longer than the column",
      );
      assert.equal(await text("search", "--format", "{{.Name}}", `${HOST}/unknown`), "");
      assert.match(await refused("search", "127.0.0.1:9/x"), /127\.0\.0\.1:9/);
    });
  }
});
