import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer as createHttpServer, type RequestListener } from "node:http";
import { createServer as createNetServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import { Fault } from "../errors.ts";
import { createBodyReader } from "./body.ts";
import { encodeRequestHead, framingOf, parseResponseHead } from "./head.ts";
import { sendRequest } from "./request.ts";
import { sendUnix, type UnixRequest } from "./unix.ts";

const folder = mkdtempSync(join(tmpdir(), "berth-http1-"));
const path = join(folder, "http.sock");
let listener: RequestListener = () => {};
const http = createHttpServer((req, res) => listener(req, res));

before(() => new Promise<void>((resolve) => http.listen(path, resolve)));
after(() => {
  http.closeAllConnections();
  http.close();
  rmSync(folder, { recursive: true });
});

const bytes = (value: string) => Buffer.from(value, "latin1");

async function readAll(stream: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString("latin1");
}

describe("heads", () => {
  test("a response head is read, repeated fields joined", () => {
    const head = parseResponseHead(bytes("HTTP/1.1 404 Not  Found\r\nA: 1\r\nB:2 \r\na:  3\r\n\r\n"));
    assert.equal(head.status, 404);
    assert.equal(head.reason, "Not  Found");
    assert.deepEqual(
      [...head.headers],
      [
        ["a", "1, 3"],
        ["b", "2"],
      ],
    );
  });

  test("malformed heads are Faults", () => {
    for (const bad of [
      "",
      "HTTP/2 200 OK\r\n\r\n",
      "HTTP/1.1 20 OK\r\n\r\n",
      "HTTP/1.1 200 OK\r\nbad\r\n\r\n",
    ]) {
      assert.throws(() => parseResponseHead(bytes(bad)), { kind: "unavailable", code: "http.malformed" });
    }
    const lengths = (value: string) =>
      framingOf("GET", parseResponseHead(bytes(`HTTP/1.1 200 OK\r\nContent-Length: ${value}\r\n\r\n`)));
    assert.deepEqual(lengths("5, 5"), { kind: "length", bytes: 5 });
    for (const bad of ["-1", "5, 6", "1e3", "", "99999999999999999"])
      assert.throws(() => lengths(bad), Fault);
  });

  test("nothing can be smuggled into a request head", () => {
    for (const [target, headers] of [
      ["/a b", {}],
      ["/a\r\nX: y", {}],
      ["/é", {}],
      ["/", { "X-A": "b\r\nX-B: c" }],
      ["/", { "X A": "b" }],
    ] as const) {
      assert.throws(() => encodeRequestHead("GET", target, headers), { kind: "invalidParameter" });
    }
  });
});

describe("bodies", () => {
  const chunkings = fc.tuple(
    fc.array(fc.uint8Array({ minLength: 1, maxLength: 30 })),
    fc.array(fc.integer({ min: 1, max: 9 })),
  );

  test("chunked coding survives any cutting and finds its end", () => {
    fc.assert(
      fc.property(chunkings, ([pieces, cuts]) => {
        const coded = pieces.map((piece) =>
          Buffer.concat([bytes(`${piece.length.toString(16)};x=y\r\n`), piece, bytes("\r\n")]),
        );
        const wire = Buffer.concat([...coded, bytes("0\r\nTrailer: x\r\n\r\nrest")]);
        const reader = createBodyReader({ kind: "chunked" });
        const got: Uint8Array[] = [];
        let at = 0;
        for (const cut of [...cuts, wire.length]) {
          if (reader.isDone) break;
          const part = wire.subarray(at, at + cut);
          got.push(...reader.push(part));
          at += part.length;
        }
        assert.ok(reader.isDone);
        assert.deepEqual(Buffer.concat(got), Buffer.concat(pieces));
        assert.equal(Buffer.concat([reader.rest, wire.subarray(at)]).toString(), "rest");
      }),
    );
  });

  test("a cut or malformed body is a Fault, never a short one", () => {
    for (const [framing, wire] of [
      [{ kind: "length", bytes: 5 }, "abc"],
      [{ kind: "chunked" }, "3\r\nab"],
      [{ kind: "chunked" }, "3\r\nabc\r\n0\r\n"],
      [{ kind: "chunked" }, "zz\r\n"],
      [{ kind: "chunked" }, "1\r\nabc\r\n"],
      [{ kind: "chunked" }, "fffffffffffff\r\n"],
      [{ kind: "chunked" }, "1".repeat(9000)],
    ] as const) {
      assert.throws(() => {
        const reader = createBodyReader(framing);
        reader.push(bytes(wire));
        reader.end();
      }, Fault);
    }
  });
});

describe("requests", () => {
  test("length, chunked and close-delimited answers are read whole", async () => {
    listener = (req, res) => {
      if (req.url === "/length") res.end("fixed");
      else if (req.url === "/empty") res.writeHead(204).end();
      else {
        res.write("one,");
        res.end("two");
      }
    };
    const text = async (target: string, method = "GET") =>
      (await sendRequest({ endpoint: { path }, method, target })).text();
    assert.equal(await text("/length"), "fixed");
    assert.equal(await text("/length", "HEAD"), "");
    assert.equal(await text("/empty"), "");
    assert.equal(await text("/chunked"), "one,two");
  });

  test("interim answers are skipped", async () => {
    await withRaw(
      (socket) =>
        socket.end(
          "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\n\r\nyes",
        ),
      async (raw) => {
        const response = await sendRequest({ endpoint: { path: raw }, method: "GET", target: "/" });
        assert.equal(await response.text(), "yes");
      },
    );
  });

  test("bodies go up as text, bytes and streams", async () => {
    listener = (req, res) => {
      const how = req.headers["transfer-encoding"] ?? req.headers["content-length"];
      void readAll(req).then((text) => res.end(`${how} ${text}`));
    };
    const send = async (body: string | Uint8Array | AsyncIterable<Uint8Array>) =>
      (await sendRequest({ endpoint: { path }, method: "POST", target: "/", body })).text();
    assert.equal(await send("text"), "4 text");
    assert.equal(await send(bytes("raw")), "3 raw");
    const stream = (async function* () {
      yield bytes("a");
      yield bytes("");
      yield bytes("bc");
    })();
    assert.equal(await send(stream), "chunked abc");
  });

  test("a streamed body's pieces may share their memory", async () => {
    listener = (req, res) => void readAll(req).then((text) => res.end(text));
    const letter = (i: number): string => String.fromCharCode(0x41 + (i % 26));
    const count = 200;
    const size = 15_000; // several wait together before the sender is asked to pause
    const body = (async function* () {
      const memory = Buffer.alloc(size);
      for (let i = 0; i < count; i++) yield memory.fill(letter(i));
    })();
    const response = await sendRequest({ endpoint: { path }, method: "POST", target: "/", body });
    const expected = Array.from({ length: count }, (_, i) => letter(i).repeat(size)).join("");
    assert.ok((await response.text()) === expected);
  });

  test("a source that fails ends the request with its error", async () => {
    listener = (req) => req.on("error", () => {});
    const body = (async function* () {
      yield bytes("a");
      throw new Fault("notFound", "no such file: context");
    })();
    await assert.rejects(sendRequest({ endpoint: { path }, method: "POST", target: "/", body }), {
      message: "no such file: context",
    });
  });

  test("a slow reader slows the sender down", async () => {
    let written = 0;
    listener = (_req, res) => {
      const more = () => {
        while (written < 64 * 1024 * 1024) {
          written += 65536;
          if (!res.write(Buffer.alloc(65536))) return res.once("drain", more);
        }
        return res.end();
      };
      res.on("error", () => {});
      more();
    };
    const { body } = await sendRequest({ endpoint: { path }, method: "GET", target: "/" });
    let reads = 0;
    for await (const chunk of body) {
      assert.ok(chunk.length > 0);
      if (++reads === 20) break;
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(written < 48 * 1024 * 1024, `${written} bytes were pushed at a reader of 20 chunks`);
  });

  test("abort rejects with its reason, before and after the head", async () => {
    listener = (_req, res) => res.write("partial");
    const reason = new Fault("cancelled", "stop");
    const early = AbortSignal.abort(reason);
    await assert.rejects(
      sendRequest({ endpoint: { path }, method: "GET", target: "/", signal: early }),
      reason,
    );
    const abort = new AbortController();
    const { body } = await sendRequest({
      endpoint: { path },
      method: "GET",
      target: "/",
      signal: abort.signal,
    });
    await assert.rejects(async () => {
      for await (const chunk of body) if (chunk.length > 0) abort.abort(reason);
    }, reason);
  });

  test("connecting fails with the errno and within its time", async () => {
    const missing = sendRequest({ endpoint: { path: join(folder, "no") }, method: "GET", target: "/" });
    await assert.rejects(
      missing,
      (error: Fault) => error.code === "http.connect" && error.detail["errno"] === "ENOENT",
    );
  });

  test("an upgraded connection gives what came with the head, both directions and half-close", async () => {
    await withRaw(
      (socket) => {
        socket.once("data", () => {
          socket.write("HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\nfirst,");
          let got = "";
          socket.on("data", (chunk) => (got += String(chunk)));
          socket.on("end", () => socket.end(`got ${got}`));
        });
      },
      async (raw) => {
        const response = await sendRequest({
          endpoint: { path: raw },
          method: "POST",
          target: "/",
          upgrade: "tcp",
        });
        const socket = response.hijack();
        socket.end("stdin");
        assert.equal(await readAll(socket), "first,got stdin");
      },
    );
  });
});

/** Runs a server of plain sockets. */
async function withRaw(serve: (socket: Socket) => void, use: (path: string) => Promise<void>): Promise<void> {
  const raw = join(folder, `raw-${Math.random().toString(36).slice(2)}.sock`);
  const server = createNetServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => {});
    socket.resume();
    serve(socket);
  });
  await new Promise<void>((resolve) => server.listen(raw, resolve));
  try {
    await use(raw);
  } finally {
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }
}

describe("whole requests", () => {
  const send = async (target: string, more: Partial<UnixRequest> = {}) => {
    const response = await sendUnix({ socketPath: path, method: "GET", target, headers: {}, ...more });
    return { ...response, text: await response.text() };
  };

  test("go out and come back as they are: target, headers, body, status, redirects", async () => {
    listener = (req, res) => {
      res.setHeader("X-Seen", `${req.method} ${req.url} ${String(req.headers["x-a"])}`);
      if (req.url === "/moved") res.writeHead(301, { Location: "/elsewhere" }).end("there");
      else if (req.url === "/odd") res.writeHead(409, "Not Now").end();
      else if (req.headers["content-length"] === "3") void readAll(req).then((text) => res.end(text));
      else {
        res.write("one,");
        res.end("two");
      }
    };
    const target = "/a%2Fb/.././/c/%C3%A9!'()*~?x=%25&y=%2B;|";
    const whole = await send(target, { headers: { "X-A": ["1", "2"] } });
    assert.deepEqual([whole.status, whole.text], [200, "one,two"]);
    assert.equal(whole.headers.get("x-seen"), `GET ${target} 1, 2`);
    const moved = await send("/moved");
    assert.deepEqual([moved.status, moved.text, moved.headers.get("location")], [301, "there", "/elsewhere"]);
    const odd = await send("/odd", { method: "HEAD" });
    assert.deepEqual([odd.status, odd.reason, odd.text], [409, "Not Now", ""]);
    for (const body of ["abc", bytes("abc")])
      assert.equal((await send("/", { method: "POST", body })).text, "abc");
  });

  test("fail with the errno, as closed, or with the signal's reason", async () => {
    const missing = join(folder, "missing.sock");
    await assert.rejects(send("/", { socketPath: missing }), {
      code: "http.connect",
      detail: { errno: "ENOENT" },
    });
    for (const [answer, code] of [
      ["", "http.closed"],
      ["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "http.closed"],
      ["nonsense\r\n\r\n", "http.malformed"],
    ] as const)
      await withRaw(
        (socket) => socket.end(answer),
        (raw) => assert.rejects(send("/", { socketPath: raw }), { kind: "unavailable", code }),
      );
    const arrived = Promise.withResolvers<void>();
    listener = () => arrived.resolve();
    const controller = new AbortController();
    const answer = send("/", { signal: controller.signal });
    await arrived.promise;
    controller.abort(new Error("enough"));
    await assert.rejects(answer, { message: "enough" });
  });
});

test("a header's characters beyond ASCII go out as UTF-8, whichever way a request takes, and none becomes a line's end", async () => {
  const sent: string[] = [];
  listener = (req, res) => {
    sent.push(Buffer.from(req.headers["x-words"] as string, "latin1").toString("utf8"));
    res.end();
  };
  const headers = { "X-Words": "é\u010A\u010Dx: y" };
  const request = { method: "GET", target: "/", headers };
  await (await sendRequest({ ...request, endpoint: { path } })).text();
  await (await sendUnix({ ...request, socketPath: path })).text();
  assert.deepEqual(sent, [headers["X-Words"], headers["X-Words"]]);
});
