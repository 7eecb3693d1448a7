// The API on the wire, with curl: versions, error shapes, hijacked streams, chunked progress.
import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, afterEach, before, describe, test } from "node:test";
import { run } from "./command.ts";
import { TestDaemon } from "./harness.ts";

let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start();
});
afterEach(() => daemon.removeContainers());
after(() => daemon.close());

const curl = async (...args: string[]) =>
  (await run(["curl", "-s", "-i", "--max-time", "10", "--unix-socket", daemon.socket, ...args])).stdout;

describe("versions", () => {
  test("ping tells version, builder and system in headers, with GET and HEAD", async () => {
    for (const flags of [[], ["-I"]]) {
      const answer = await curl(...flags, "http://d/_ping");
      for (const line of [
        /^HTTP\/1\.1 200 OK/,
        /^Api-Version: 1\.56/im,
        /^Ostype: linux/im,
        /^Docker-Experimental: false/im,
        /^Content-Type: text\/plain/im,
      ])
        assert.match(answer, line);
    }
  });

  test("every version from 1.24 to 1.56 is served, others are refused with a reason", async () => {
    for (const version of ["v1.24", "v1.41", "v1.50", "v1.56"])
      assert.equal((await daemon.request("GET", `/${version}/version`)).status, 200, version);
    const newer = await daemon.request("GET", "/v1.99/version");
    assert.deepEqual(
      [
        newer.status,
        /client version 1\.99 is too new\. Maximum supported API version is 1\.56/.test(
          JSON.stringify(newer.body),
        ),
      ],
      [400, true],
    );
    const older = await daemon.request("GET", "/v1.10/version");
    assert.deepEqual(
      [
        older.status,
        /client version 1\.10 is too old\. Minimum supported API version is 1\.24/.test(
          JSON.stringify(older.body),
        ),
      ],
      [400, true],
    );
    assert.equal((await daemon.request("GET", "/version")).status, 200);
  });
});

describe("an engine outside of a swarm", () => {
  test("says so to whoever asks for one", async () => {
    for (const path of ["/swarm", "/services", "/tasks", "/nodes/self", "/secrets", "/configs/x"]) {
      const { status, body } = await daemon.request("GET", path);
      assert.equal(status, 503, path);
      assert.match(JSON.stringify(body), /This node is not a swarm manager/);
    }
    const left = await daemon.request("POST", "/swarm/leave?force=true");
    assert.deepEqual([left.status, left.body], [503, { message: "This node is not part of a swarm" }]);
    assert.equal((await daemon.request("POST", "/swarm/init")).status, 501);
  });
});

describe("paths", () => {
  test("a list is found with a slash at its end, too", async () => {
    for (const path of ["/networks/", "/v1.41/networks/"])
      assert.equal((await daemon.request("GET", path)).status, 200, path);
  });
});

describe("docker-compose 1", () => {
  test("finds ContainerConfig in an image, which others do not see since API 1.45", async () => {
    const url = "http://d/v1.56/images/busybox/json";
    const configOf = async (...agent: string[]): Promise<boolean> =>
      (await curl(...agent, url)).includes('"ContainerConfig":{');
    assert.equal(await configOf("-A", "docker-compose/1.29.2 docker-py/5.0.3 Linux/6.1"), true);
    assert.equal(await configOf("-A", "docker-compose/2.20.0"), false);
    assert.equal(await configOf(), false);
  });
});

describe("an engine that has no managed plugins", () => {
  test("lists none and knows none", async () => {
    const { status, body } = await daemon.request("GET", "/plugins");
    assert.deepEqual([status, body], [200, []]);
    const one = await daemon.request("GET", "/plugins/some/json");
    assert.deepEqual([one.status, one.body], [404, { message: 'plugin "some" not found' }]);
  });
});

describe("errors", () => {
  const CASES: readonly (readonly [string, string, unknown, number, RegExp])[] = [
    ["GET", "/containers/nosuch/json", undefined, 404, /^No such container: nosuch$/],
    ["GET", "/images/nosuch/json", undefined, 404, /^No such image: nosuch/],
    ["GET", "/networks/nosuch", undefined, 404, /^network nosuch not found$/],
    ["GET", "/nosuch", undefined, 404, /^page not found$/],
    ["POST", "/containers/create", { Image: "nosuch" }, 404, /^No such image: nosuch:latest$/],
    ["POST", "/containers/create", { Image: 5 }, 400, /./],
    [
      "POST",
      "/containers/create?name=a%20b",
      { Image: "busybox", Cmd: ["x"] },
      400,
      /^Invalid container name \(a b\)/,
    ],
    ["POST", "/containers/nosuch/start", undefined, 404, /^No such container: nosuch$/],
    ["GET", "/containers/json?filters=nojson", undefined, 400, /./],
    [
      "GET",
      "/containers/json?filters=%7B%22nosuch%22%3A%5B%22x%22%5D%7D",
      undefined,
      400,
      /^invalid filter 'nosuch'$/,
    ],
    ["DELETE", "/images/nosuch", undefined, 404, /^No such image: nosuch/],
    ["POST", "/images/load?platform=x", undefined, 400, /^"x": unknown operating system or architecture/],
    ["POST", "/images/busybox/push?platform=%7B%7D", undefined, 400, /^both OS and Architecture must be/],
    ["GET", "/images/json?filters=%7B%22until%22%3A%5B%22x%22%5D%7D", undefined, 400, /x/],
  ];
  for (const [method, path, body, status, message] of CASES)
    test(`${method} ${path}${body === undefined ? "" : ` ${JSON.stringify(body)}`} is ${status}`, async () => {
      const answer = await daemon.request(method, path, body);
      assert.equal(answer.status, status, JSON.stringify(answer.body));
      assert.deepEqual(Object.keys(answer.body as object), ["message"]);
      assert.match((answer.body as { message: string }).message, message);
    });

  test("a body that is no JSON is 400", async () => {
    const answer = await curl(
      "-H",
      "Content-Type: application/json",
      "-d",
      "{",
      "http://d/containers/create",
    );
    assert.match(answer, /^HTTP\/1\.1 400/);
    assert.match(answer, /\{"message":".+"\}/);
  });

  test("start twice is 304, start of what has gone is 404", async () => {
    const { body } = await daemon.request("POST", "/containers/create", {
      Image: "busybox",
      Cmd: ["sleep", "1000"],
    });
    const { Id } = body as { Id: string };
    assert.equal((await daemon.request("POST", `/containers/${Id}/start`)).status, 204);
    assert.equal((await daemon.request("POST", `/containers/${Id}/start`)).status, 304);
    assert.equal((await daemon.request("POST", `/containers/${Id}/stop?t=0`)).status, 204);
    assert.equal((await daemon.request("POST", `/containers/${Id}/stop`)).status, 304);
    assert.equal((await daemon.request("DELETE", `/containers/${Id}`)).status, 204);
    assert.equal((await daemon.request("POST", `/containers/${Id}/start`)).status, 404);
  });
});

/** Sends a request as it is and returns everything that comes back until the end. */
function raw(text: string, more: readonly string[] = []): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect({ path: daemon.socket, allowHalfOpen: true });
    socket.on("data", (chunk) => chunks.push(Buffer.from(chunk)));
    socket.on("end", () => {
      socket.end();
      resolve(Buffer.concat(chunks));
    });
    socket.on("error", reject);
    socket.write(text);
    for (const part of more) socket.write(part);
    if (more.length > 0) socket.end();
  });
}

const frame = (type: number, text: string): Buffer => {
  const head = Buffer.alloc(8);
  head[0] = type;
  head.writeUInt32BE(text.length, 4);
  return Buffer.concat([head, Buffer.from(text)]);
};

describe("hijacked streams", () => {
  const create = async (body: object): Promise<string> => {
    const answer = await daemon.request("POST", "/containers/create", { Image: "busybox", ...body });
    assert.equal(answer.status, 201, JSON.stringify(answer.body));
    return (answer.body as { Id: string }).Id;
  };

  test("attach answers 101 with Upgrade and 200 without, then speaks frames", async () => {
    for (const [upgrade, head] of [
      ["Connection: Upgrade\r\nUpgrade: tcp\r\n", /^HTTP\/1\.1 101 UPGRADED\r\n/],
      ["", /^HTTP\/1\.1 200 OK\r\n/],
    ] as const) {
      const id = await create({ Cmd: ["sh", "-c", "echo out; echo err >&2"] });
      const attached = raw(
        `POST /v1.41/containers/${id}/attach?stream=1&stdout=1&stderr=1 HTTP/1.1\r\nHost: d\r\n${upgrade}\r\n`,
      );
      const events = daemon.events();
      await events.prints('"Action":"attach"');
      events.kill("SIGKILL");
      assert.equal((await daemon.request("POST", `/containers/${id}/start`)).status, 204);
      const answer = await attached;
      const at = answer.indexOf("\r\n\r\n");
      assert.match(answer.subarray(0, at + 2).toString(), head);
      assert.match(answer.subarray(0, at).toString(), /Content-Type: application\/vnd\.docker\.raw-stream/);
      const body = answer.subarray(at + 4);
      const both = [frame(1, "out\n"), frame(2, "err\n")];
      assert.ok(
        body.equals(Buffer.concat(both)) || body.equals(Buffer.concat(both.toReversed())),
        body.toString("latin1"),
      );
    }
  });

  test("since 1.42 the content type tells multiplexed streams from raw ones", async () => {
    for (const [isTty, type] of [
      [false, "multiplexed-stream"],
      [true, "raw-stream"],
    ] as const) {
      const id = await create({ Cmd: ["true"], Tty: isTty });
      await daemon.request("POST", `/containers/${id}/start`);
      await daemon.request("POST", `/containers/${id}/wait`);
      const logs = await curl(`http://d/v1.42/containers/${id}/logs?stdout=1`);
      assert.match(logs, new RegExp(`^Content-Type: application/vnd\\.docker\\.${type}`, "im"));
    }
  });

  for (const framing of ["Content-Length", "chunked"] as const)
    test(`exec takes its input after the request, and a half-close as its end (${framing})`, async () => {
      const id = await create({ Cmd: ["sleep", "1000"] });
      await daemon.request("POST", `/containers/${id}/start`);
      const made = await daemon.request("POST", `/containers/${id}/exec`, {
        Cmd: ["cat"],
        AttachStdin: true,
        AttachStdout: true,
      });
      const body = '{"Detach":false,"Tty":false}';
      const head = `POST /exec/${(made.body as { Id: string }).Id}/start HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: application/json\r\n`;
      const whole =
        framing === "chunked"
          ? `Transfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`
          : `Content-Length: ${body.length}\r\n\r\n${body}`;
      const answer = await raw(head + whole, ["first\n", "second\n"]);
      const text = answer.subarray(answer.indexOf("\r\n\r\n") + 4);
      assert.equal(
        text
          .filter((b) => b >= 32 || b === 10)
          .toString()
          .replace(/[^\w\n]/g, "")
          .includes("first"),
        true,
      );
      assert.ok(text.includes("second\n"));
    });

  test("attach of an unknown container is a 404 with the reason as text, as Docker answers", async () => {
    const answer = await raw(
      "POST /containers/nosuch/attach?stream=1 HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
    );
    assert.match(answer.toString(), /^HTTP\/1\.1 404 [^]*\r\n\r\nNo such container: nosuch\r\n$/);
  });
});

describe("streams of progress", () => {
  test("an import is answered in JSON lines", async () => {
    const answer = await curl("-X", "POST", "-T", "/dev/null", "http://d/images/create?fromSrc=-&repo=empty");
    assert.match(answer, /^Transfer-Encoding: chunked/im);
    assert.match(answer, /\{"(status|error|errorDetail)":/);
  });

  test("neither an image to pull nor a source to import is a bad request, and makes nothing", async () => {
    const images = async () => ((await daemon.request("GET", "/images/json?all=1")).body as unknown[]).length;
    const before = await images();
    assert.equal((await daemon.request("POST", "/images/create")).status, 400);
    assert.equal(await images(), before);
  });

  test("wait answers at once with its head and in the end with the code", async () => {
    const made = await daemon.request("POST", "/containers/create", {
      Image: "busybox",
      Cmd: ["sh", "-c", "exit 8"],
    });
    const { Id } = made.body as { Id: string };
    const waiting = daemon.request("POST", `/containers/${Id}/wait?condition=next-exit`);
    await daemon.request("POST", `/containers/${Id}/start`);
    assert.deepEqual((await waiting).body, { StatusCode: 8 });
    const removed = daemon.request("POST", `/containers/${Id}/wait?condition=removed`);
    await daemon.request("DELETE", `/containers/${Id}`);
    const { status, body } = await removed;
    assert.ok(status === 404 || JSON.stringify(body) === '{"StatusCode":8}', JSON.stringify(body));
  });
});

describe("keep-alive and oddities", () => {
  test("several requests go over one connection", async () => {
    const answers = await run([
      "curl",
      "-s",
      "-v",
      "--unix-socket",
      daemon.socket,
      "http://d/_ping",
      "http://d/version",
      "http://d/_ping",
    ]);
    assert.match(answers.stderr, /Re-using existing connection/);
  });

  test("requests that are no HTTP do not hurt anybody", async () => {
    for (const junk of [
      "\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
      "GET\r\n\r\n",
      "GET / HTTP/9.9\r\n\r\n",
      `GET /${"a".repeat(70_000)} HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n`,
    ])
      assert.match((await raw(junk, [""])).toString(), /^(HTTP\/1\.1 4\d\d |$)/);
    assert.equal((await daemon.request("GET", "/_ping")).status, 200);
  });
});
