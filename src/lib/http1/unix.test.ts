import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Fault } from "../errors.ts";
import type { Channel } from "./channel.ts";
import { KeptConnection, sendUnix, type UnixRequest } from "./unix.ts";

const UPGRADED = "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";

/** Serves one connection after the request's head has come; `rest` is what came behind it. */
async function withServer(
  serve: (socket: Socket, head: string, rest: Buffer) => void,
  use: (request: UnixRequest) => Promise<void>,
): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), "http-unix-"));
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    let received = Buffer.alloc(0);
    const onData = (chunk: Buffer): void => {
      received = Buffer.concat([received, chunk]);
      const end = received.indexOf("\r\n\r\n");
      if (end < 0) return;
      socket.off("data", onData);
      serve(socket, received.subarray(0, end).toString(), received.subarray(end + 4));
    };
    socket.on("data", onData);
  });
  const socketPath = join(dir, "sock");
  try {
    await new Promise<void>((resolve) => server.listen(socketPath, resolve));
    await use({ socketPath, method: "POST", target: "/exec/1/start", headers: { A: "b" }, upgrade: "tcp" });
  } finally {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
    await rm(dir, { recursive: true });
  }
}

async function channelFor(request: UnixRequest): Promise<Channel> {
  const { status, channel } = await sendUnix(request);
  assert.equal(status, 101);
  return channel;
}

async function readAll(channel: Channel): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of channel) chunks.push(chunk);
  return Buffer.concat(chunks);
}

test("sendUnix sends head and body, and gives first what came behind the answer's head", async () => {
  let seen = "";
  await withServer(
    (socket, head, rest) => {
      seen = `${head}|${rest}`;
      socket.end(`${UPGRADED}early`);
    },
    async (request) => {
      const channel = await channelFor({ ...request, body: '{"Tty":false}' });
      assert.equal((await readAll(channel)).toString(), "early");
      channel.destroy();
    },
  );
  assert.match(seen, /^POST \/exec\/1\/start HTTP\/1\.1\r\n/);
  for (const field of ["A: b", "Connection: Upgrade", "Upgrade: tcp", "Content-Length: 13"])
    assert.ok(seen.includes(`\r\n${field}`), field);
  assert.ok(seen.endsWith('|{"Tty":false}'));
});

test("a channel carries more than the sockets hold both ways, and its end does not end the other way", async () => {
  const sent = Buffer.alloc(5_000_000, "there ");
  const answer = Buffer.alloc(4_000_000, "and back ");
  let got = 0;
  await withServer(
    (socket) => {
      socket.on("data", (chunk) => (got += chunk.length));
      socket.on("end", () => socket.end(answer));
      socket.write(UPGRADED);
    },
    async (request) => {
      const channel = await channelFor(request);
      if (!channel.write(sent)) await channel.drained();
      channel.end();
      assert.ok((await readAll(channel)).equals(answer));
      channel.destroy();
    },
  );
  assert.equal(got, sent.length);
});

test("end sends what still waits before it", async () => {
  const sent = Buffer.alloc(3_000_000, "x");
  const { promise, resolve } = Promise.withResolvers<number>();
  await withServer(
    (socket) => {
      let got = 0;
      socket.on("data", (chunk) => (got += chunk.length));
      socket.on("end", () => resolve(got));
      socket.write(UPGRADED);
    },
    async (request) => {
      const channel = await channelFor(request);
      channel.write(sent);
      channel.end();
      assert.equal(await promise, sent.length);
      channel.destroy();
    },
  );
});

test("drained resolves when the other side has gone, and writing then does nothing", async () => {
  await withServer(
    (socket) => {
      socket.write(UPGRADED);
      socket.pause();
      socket.once("resume", () => socket.destroy());
      setImmediate(() => socket.resume());
    },
    async (request) => {
      const channel = await channelFor(request);
      channel.write(Buffer.alloc(20_000_000));
      await channel.drained();
      channel.write(Buffer.alloc(10));
      channel.destroy();
    },
  );
});

test("sendUnix gives the text of a refusal, with its length or chunked", async () => {
  for (const body of [
    "Content-Length: 4\r\n\r\nnope",
    "Transfer-Encoding: chunked\r\n\r\n4\r\nnope\r\n0\r\n\r\n",
  ])
    await withServer(
      (socket) => socket.write(`HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\n${body}`),
      async (request) => {
        const answer = await sendUnix(request);
        assert.deepEqual([answer.status, await answer.text()], [404, "nope"]);
      },
    );
});

test("sendUnix says who does not answer", async () => {
  const fails = (request: UnixRequest, code: string): Promise<void> =>
    assert.rejects(sendUnix(request), (error: unknown) => error instanceof Fault && error.code === code);
  await withServer(
    (socket) => socket.end(),
    async (request) => {
      await fails(request, "http.closed");
      await fails({ ...request, socketPath: `${request.socketPath}-not` }, "http.connect");
    },
  );
  await withServer(
    (socket) => socket.end("SSH-2.0-x\r\n\r\n"),
    (request) => fails(request, "http.malformed"),
  );
});

/** Answers every request of every connection; tells how many connections there were. */
async function withAnswers(
  answer: (request: string, connection: Socket) => void,
  use: (
    ask: (target: string, upgrade?: string) => ReturnType<typeof sendUnix>,
    count: () => number,
  ) => Promise<void>,
): Promise<void> {
  let connections = 0;
  const kept = new KeptConnection();
  const onConnection = (socket: Socket, head: string): void => {
    connections++;
    answer(head, socket);
    socket.on("data", (chunk) => answer(String(chunk), socket));
  };
  await withServer(onConnection, async ({ socketPath }) => {
    const ask = (target: string, upgrade?: string) =>
      sendUnix({ socketPath, method: "GET", target, headers: {}, kept, ...(upgrade ? { upgrade } : {}) });
    await use(ask, () => connections);
    kept.take()?.destroy();
  });
}

const OK = "HTTP/1.1 200 OK\r\n";

test("a connection whose answer was read whole serves the next request, an upgrade too", async () => {
  const answers: Readonly<Record<string, string>> = {
    length: `${OK}Content-Length: 3\r\n\r\none`,
    chunked: `${OK}Transfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n`,
    none: "HTTP/1.1 204 No Content\r\n\r\n",
  };
  await withAnswers(
    (request, socket) => {
      const name = /^GET \/([a-z]+) /.exec(request)?.[1] ?? "";
      if (name === "upgrade") socket.end(`${UPGRADED}there`);
      else socket.write(answers[name] ?? "");
    },
    async (ask, count) => {
      for (const [target, text] of [
        ["/length", "one"],
        ["/chunked", "two"],
        ["/none", ""],
      ] as const)
        assert.equal(await (await ask(target)).text(), text);
      const { channel } = await ask("/upgrade", "tcp");
      assert.equal((await readAll(channel)).toString(), "there");
      channel.destroy();
      assert.equal(count(), 1);
      await (await ask("/length")).text();
      assert.equal(count(), 2, "a connection that was given away is not used again");
    },
  );
});

test("requests at the same time have connections of their own", async () => {
  const held: Socket[] = [];
  await withAnswers(
    (_request, socket) => {
      held.push(socket);
      if (held.length < 2) return;
      for (const one of held.splice(0)) one.write(`${OK}Content-Length: 0\r\n\r\n`);
    },
    async (ask, count) => {
      await Promise.all([ask("/a"), ask("/b")].map(async (answer) => (await answer).text()));
      assert.equal(count(), 2);
    },
  );
});

test("a connection that the other side ends, or on which it speaks unasked, is not used again", async () => {
  for (const tail of ["", "HTTP/1.1 200 OK\r\n"]) {
    const gone = Promise.withResolvers<void>();
    let isFirst = true;
    await withAnswers(
      (_request, socket) => {
        socket.write(`${OK}Content-Length: 2\r\n\r\n{}`);
        if (!isFirst) return;
        isFirst = false;
        socket.once("end", gone.resolve);
        setImmediate(() => (tail === "" ? socket.end() : socket.write(tail)));
      },
      async (ask, count) => {
        assert.equal(await (await ask("/")).text(), "{}");
        await gone.promise;
        assert.equal(await (await ask("/")).text(), "{}");
        assert.equal(count(), 2);
      },
    );
  }
  for (const head of ["Connection: close\r\nContent-Length: 2\r\n\r\n{}", "Content-Length: 2\r\n\r\n{}rest"])
    await withAnswers(
      (_request, socket) => socket.write(`${OK}${head}`),
      async (ask, count) => {
        for (const times of [1, 2]) {
          assert.equal(await (await ask("/")).text(), "{}");
          assert.equal(count(), times, head);
        }
      },
    );
});

async function* piecesOf(size: number, pieces: readonly string[]): AsyncGenerator<Uint8Array> {
  const memory = Buffer.alloc(size);
  for (const piece of pieces) yield memory.fill(piece).subarray(0, piece === "" ? 0 : size);
}

/** Takes a chunked body apart, without the reader that is under test elsewhere. */
function unchunked(body: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; ; ) {
    const end = body.indexOf("\r\n", at);
    const size = Number.parseInt(body.subarray(at, end).toString(), 16);
    if (size === 0) return Buffer.concat(parts);
    parts.push(body.subarray(end + 2, end + 2 + size));
    assert.equal(body.subarray(end + 2 + size, end + 4 + size).toString(), "\r\n");
    at = end + 4 + size;
  }
}

test("a streamed body goes up piece by piece, each sent before its memory is used again, and its connection is not kept", async () => {
  const size = 1_000_003;
  const kept = new KeptConnection();
  let head = "";
  let body = Buffer.alloc(0);
  await withServer(
    (socket, text, rest) => {
      head = text;
      const parts: Buffer[] = [];
      let end = "";
      const take = (chunk: Buffer): void => {
        parts.push(chunk);
        end = (end + chunk.subarray(-5).toString("latin1")).slice(-5);
        if (end !== "0\r\n\r\n") return;
        body = Buffer.concat(parts);
        socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
      };
      socket.on("data", take);
      take(rest);
    },
    async ({ upgrade: _, ...request }) => {
      const answer = await sendUnix({ ...request, kept, body: piecesOf(size, ["a", "", "b", "c"]) });
      assert.equal(await answer.text(), "{}");
      assert.equal(kept.take(), undefined);
    },
  );
  assert.match(head, /\r\nTransfer-Encoding: chunked/);
  assert.match(head, /\r\nConnection: close/);
  const expected = ["a", "b", "c"].map((letter) => Buffer.alloc(size, letter));
  assert.ok(unchunked(body).equals(Buffer.concat(expected)));
});

test("an error answer ends a streamed body, also when the other side is gone with it", async () => {
  for (const end of ["destroy", "wait"] as const) {
    let asked = 0;
    const isOver = Promise.withResolvers<void>();
    const endless = async function* (): AsyncGenerator<Uint8Array> {
      try {
        for (;;) {
          asked++;
          yield new Uint8Array(100_000);
        }
      } finally {
        isOver.resolve();
      }
    };
    await withServer(
      (socket) => {
        socket.write("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone", () => {
          if (end === "destroy") socket.destroy();
        });
      },
      async ({ upgrade: _, ...request }) => {
        const answer = await sendUnix({ ...request, body: endless() });
        assert.equal(answer.status, 404);
        assert.equal(await answer.text(), "gone");
        await isOver.promise;
      },
    );
    assert.ok(asked < 100, `${asked} pieces were asked for`);
  }
});

test("a streamed body that fails ends its request with its error", async () => {
  const broken = async function* (): AsyncGenerator<Uint8Array> {
    yield new Uint8Array(10);
    throw new Fault("notFound", "no such file");
  };
  await withServer(
    () => {},
    async ({ upgrade: _, ...request }) => {
      await assert.rejects(sendUnix({ ...request, body: broken() }), { message: "no such file" });
    },
  );
});
