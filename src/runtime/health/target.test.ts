import assert from "node:assert/strict";
import { test } from "node:test";
import { httpTarget, tcpTarget } from "./target.ts";

const LOCAL = [Uint8Array.of(127, 0, 0, 1), Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)];

test("httpTarget turns a URL into addresses, a port and a request", () => {
  assert.deepEqual(httpTarget("http://localhost:8080/up?now=1#x"), {
    addresses: LOCAL,
    port: 8080,
    request:
      "GET /up?now=1 HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: berth-health\r\nAccept: */*\r\nConnection: close\r\n\r\n",
  });
  const plain = httpTarget("http://10.1.2.3");
  assert.deepEqual([plain.addresses, plain.port], [[Uint8Array.of(10, 1, 2, 3)], 80]);
  assert.match(plain.request, /^GET \/ HTTP\/1\.1\r\nHost: 10\.1\.2\.3\r\n/);
  assert.deepEqual(httpTarget("http://[::1]:81/").addresses, [LOCAL[1]]);
});

test("httpTarget lets nothing into the request that does not belong there", () => {
  const { request } = httpTarget("http://localhost/a b\r\nX: y");
  assert.equal(request.split("\r\n")[0], "GET /a%20bX:%20y HTTP/1.1");
});

test("httpTarget refuses what cannot be asked, and says what to change", () => {
  const refused = (url: string, message: RegExp): void => assert.throws(() => httpTarget(url), { message });
  refused("localhost:80", /does not begin with http/);
  refused("/path", /no URL such as http:\/\/localhost/);
  refused("https://localhost/", /does not begin with http:\/\//);
  refused("http://db:80/", /"db" is neither localhost nor an address/);
  refused("http://me:secret@localhost/", /user name or a password/);
});

test("tcpTarget reads a port, with or without a host", () => {
  assert.deepEqual(tcpTarget("8080"), { addresses: LOCAL, port: 8080, request: "" });
  assert.deepEqual(tcpTarget("127.0.0.1:1").addresses, [LOCAL[0]]);
  assert.deepEqual(tcpTarget("[::1]:65535"), { addresses: [LOCAL[1]], port: 65_535, request: "" });
  for (const text of ["", "0", "65536", "x", "80:x", "::1:80", ":80", "db:80"])
    assert.throws(() => tcpTarget(text), { kind: "invalidParameter" });
});
