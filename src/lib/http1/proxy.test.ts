import assert from "node:assert/strict";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { proxyFor } from "./proxy.ts";
import { sendRequest } from "./request.ts";

const to = (host: string, isTls = false) => ({ host, port: isTls ? 2376 : 2375, isTls });

test("proxyFor finds what Go's clients find", () => {
  const plain = { HTTP_PROXY: "proxy:3128" };
  assert.deepEqual(proxyFor(to("far"), plain), { host: "proxy", port: 3128, isTls: false });
  assert.deepEqual(proxyFor(to("far"), { http_proxy: "http://proxy" })?.port, 80);
  assert.equal(proxyFor(to("far", true), plain), undefined, "another scheme's");
  assert.deepEqual(proxyFor(to("far", true), { HTTPS_PROXY: "https://u:p%40@[::1]:8" }), {
    host: "::1",
    port: 8,
    isTls: true,
    authorization: `Basic ${Buffer.from("u:p@").toString("base64")}`,
  });
  for (const near of ["localhost", "127.1.2.3", "::1"]) assert.equal(proxyFor(to(near), plain), undefined);
});

test("NO_PROXY spares names, their subdomains, addresses, blocks and ports", () => {
  const isSpared = (host: string, NO_PROXY: string): boolean =>
    proxyFor(to(host), { HTTP_PROXY: "proxy:1", NO_PROXY }) === undefined;
  for (const [host, list] of [
    ["a.example.com", "example.com"],
    ["example.com", "x, EXAMPLE.com"],
    ["a.example.com", ".example.com"],
    ["a.example.com", "*.example.com"],
    ["far", "*"],
    ["far", "far:2375"],
    ["10.1.2.3", "10.0.0.0/8"],
    ["10.1.2.3", "10.1.2.3:2375"],
    ["fd00::5", "[fd00::5]:2375"],
    ["fd00::5", "fd00::/8"],
  ] as const)
    assert.ok(isSpared(host, list), `${host}: ${list}`);
  for (const [host, list] of [
    ["example.com", ".example.com"],
    ["notexample.com", "example.com"],
    ["far", "far:2376"],
    ["10.1.2.3", "10.1.2.4"],
    ["11.1.2.3", "10.0.0.0/8,fd00::/8"],
    ["far", ""],
  ] as const)
    assert.ok(!isSpared(host, list), `${host}: ${list}`);
});

test("proxyFor refuses what is none", () => {
  for (const [HTTP_PROXY, message] of [
    ["http://", /invalid proxy address/],
    ["socks5://proxy:1080", /socks5 are not supported/],
  ] as const)
    assert.throws(() => proxyFor(to("far"), { HTTP_PROXY }), { kind: "invalidParameter", message });
  assert.throws(() => proxyFor(to("far"), { HTTP_PROXY: "p:1", REQUEST_METHOD: "GET" }), /CGI/);
});

test("a plain request is passed on by the proxy; a connection that is taken over goes by itself", async () => {
  const asked: IncomingMessage[] = [];
  const proxy = createServer((request, response) => {
    asked.push(request);
    response.end("by the proxy");
  });
  const daemon = createServer().on("upgrade", (_, socket) => {
    socket.end("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\ndirect");
  });
  for (const server of [proxy, daemon])
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", () => done()));
  const portOf = (server: typeof proxy): number => (server.address() as AddressInfo).port;
  const endpoint = {
    host: "127.0.0.1",
    port: portOf(daemon),
    proxy: { host: "127.0.0.1", port: portOf(proxy), isTls: false, authorization: "Basic eA==" },
  };
  try {
    const response = await sendRequest({ endpoint, method: "GET", target: "/v1.41/info?x=1" });
    assert.equal(await response.text(), "by the proxy");
    const { url, headers } = asked[0] as IncomingMessage;
    assert.equal(url, `http://127.0.0.1:${endpoint.port}/v1.41/info?x=1`);
    assert.deepEqual(
      [headers.host, headers["proxy-authorization"]],
      [`127.0.0.1:${endpoint.port}`, "Basic eA=="],
    );
    const upgraded = await sendRequest({ endpoint, method: "POST", target: "/attach", upgrade: "tcp" });
    assert.equal(upgraded.status, 101);
    assert.equal(String((await upgraded.hijack().toArray())[0]), "direct");
    assert.equal(asked.length, 1);
  } finally {
    for (const server of [proxy, daemon]) server.close();
  }
});

test("a proxy that is not there, or does not want, is named", async () => {
  const nobody = { host: "127.0.0.1", port: 1, isTls: false };
  const request = { method: "GET", target: "/" } as const;
  const plain = { host: "far.invalid", port: 2375, proxy: nobody };
  const refused = { kind: "unavailable", code: "http.proxy", message: /proxyconnect tcp: .*127\.0\.0\.1:1/ };
  await assert.rejects(sendRequest({ ...request, endpoint: plain }), refused);
  const tls = { ...plain, tls: { skipVerify: true } };
  await assert.rejects(sendRequest({ ...request, endpoint: tls }), refused);
  const unwilling = createServer().on("connect", (_, socket) => socket.end("HTTP/1.1 403 No\r\n\r\n"));
  await new Promise<void>((done) => unwilling.listen(0, "127.0.0.1", () => done()));
  const { port } = unwilling.address() as AddressInfo;
  try {
    const endpoint = { ...tls, proxy: { ...nobody, port } };
    await assert.rejects(sendRequest({ ...request, endpoint }), { message: /proxyconnect tcp: .*: 403 No/ });
  } finally {
    unwilling.close();
  }
});
