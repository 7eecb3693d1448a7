import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { AuthConfig } from "../api/contract.ts";
import { ALL_OPERATIONS } from "../api/operations/all.ts";
import { imageBuild } from "../api/operations/build.ts";
import { containerResize, containerStop } from "../api/operations/container.ts";
import { imagePush } from "../api/operations/image.ts";
import { networkInspect } from "../api/operations/network.ts";
import { encodeRequest } from "../api/request.ts";
import { Fault } from "../lib/errors.ts";
import { parseBool, parseFilters, readParameters } from "./input.ts";
import { createRouter } from "./router.ts";
import { allRoutes } from "./server.ts";
import { splitVersion } from "./version.ts";

/** node:http joins the values of a header that comes several times. */
function headersOf(headers: Readonly<Record<string, string | readonly string[]>>): Record<string, string> {
  const one = (value: string | readonly string[]) => (typeof value === "string" ? value : value.join(", "));
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), one(value)]));
}

const router = createRouter(allRoutes({}));

/** Sends arguments through the client's encoder and the server's router and decoder. */
function roundTrip(
  operation: (typeof ALL_OPERATIONS)[number],
  args: Readonly<Record<string, unknown>>,
): unknown {
  const { target, headers } = encodeRequest(operation, args, "1.56");
  const url = new URL(target, "http://d");
  const { path, version } = splitVersion(decodeURIComponent(url.pathname));
  assert.equal(version, "1.56");
  const match = router.match(operation.method, path);
  assert.equal(match?.route.operation.name, operation.name);
  return readParameters(operation, {
    params: match?.params ?? {},
    query: url.searchParams,
    headers: headersOf(headers),
    version: "1.56",
  });
}

describe("parameters", () => {
  test("what a client writes is what the server reads", () => {
    const text = fc.string({ unit: "grapheme", minLength: 1 });
    const args = fc.record({
      dockerfile: text,
      tags: fc.array(text),
      noCache: fc.boolean(),
      remove: fc.boolean(),
      memory: fc.integer(),
      shmSize: fc.integer(),
      labels: fc.dictionary(fc.string(), fc.string()),
      buildArgs: fc.dictionary(fc.string(), fc.option(fc.string())),
      cacheFrom: fc.array(fc.string()),
    });
    fc.assert(
      fc.property(args, (given) => {
        const input = roundTrip(imageBuild, given) as Record<string, unknown>;
        for (const [name, value] of Object.entries(given)) {
          assert.equal(JSON.stringify(input[name]), JSON.stringify(value), name);
        }
      }),
    );
  });

  test("names with slashes, colons and digests find their route", () => {
    const name = "reg.example:5000/a/b:tag";
    for (const operation of ALL_OPERATIONS.filter((each) => each.path.includes("{"))) {
      const [first = "", ...others] = [...operation.path.matchAll(/\{(\w+)\}/g)].map(([, key]) => key ?? "");
      const sizes = operation.name.endsWith("Resize") ? { height: 1, width: 2 } : {};
      const rest = Object.fromEntries(others.map((key) => [key, "last"]));
      const input = roundTrip(operation, { [first]: name, ...rest, ...sizes }) as Record<string, unknown>;
      assert.equal(input[first], name, operation.name);
      for (const key of others) assert.equal(input[key], "last", operation.name);
    }
  });

  test("credentials survive, malformed ones are ignored", () => {
    const auth: AuthConfig = { username: "ü", password: "p?>~", serveraddress: "r" };
    const input = roundTrip(imagePush, { name: "x", registryAuth: auth }) as { registryAuth: AuthConfig };
    assert.deepEqual(input.registryAuth, auth);
    for (const bad of ["", "%%%", "bm90IGpzb24=", "WzFd"]) {
      const raw = {
        params: {},
        query: new URLSearchParams(),
        headers: { "x-registry-auth": bad },
        version: "1.56",
      };
      assert.equal(readParameters(imagePush, raw)["registryAuth"], undefined);
    }
  });

  test("a parameter that is younger than the client's version is not seen", () => {
    const read = (version: string) =>
      readParameters(containerStop, {
        params: { id: "x" },
        query: new URLSearchParams("signal=9&t=-1"),
        headers: {},
        version,
      });
    assert.deepEqual(read("1.41"), { id: "x", signal: undefined, timeoutSeconds: -1 });
    assert.deepEqual(read("1.42"), { id: "x", signal: "9", timeoutSeconds: -1 });
  });

  test("terminal sizes are unsigned 32-bit numbers, in Docker's words", () => {
    const read = (query: string) =>
      readParameters(containerResize, {
        params: { id: "x" },
        query: new URLSearchParams(query),
        headers: {},
        version: "1.56",
      });
    assert.deepEqual(read("h=24&w=80"), { id: "x", height: 24, width: 80 });
    for (const [query, message] of [
      ["w=80", 'invalid resize height "": invalid syntax'],
      ["h=24&w=+1", 'invalid resize width " 1": invalid syntax'],
      ["h=-1&w=1", 'invalid resize height "-1": value out of range'],
      ["h=4294967296&w=1", 'invalid resize height "4294967296": value out of range'],
    ] as const) {
      assert.throws(() => read(query), { message });
    }
  });
});

describe("forms of values", () => {
  test("booleans are Go's httputils.BoolValue", () => {
    for (const no of ["", "0", "no", "false", "none", "False", " NO "])
      assert.equal(parseBool(no), false, no);
    for (const yes of ["1", "true", "yes", "t", "off", "-1"]) assert.equal(parseBool(yes), true, yes);
  });

  test("Go booleans are strconv.ParseBool's", () => {
    const verbose = (query: string) =>
      readParameters(networkInspect, {
        params: {},
        query: new URLSearchParams(query),
        headers: {},
        version: "1.56",
      })["verbose"];
    for (const yes of ["1", "t", "True"]) assert.equal(verbose(`verbose=${yes}`), true, yes);
    for (const no of ["", "verbose=", "verbose=0", "verbose=FALSE"]) assert.equal(verbose(no), false, no);
    for (const bad of ["x", "yes", "tRUE"])
      assert.throws(() => verbose(`verbose=${bad}`), {
        message: `invalid value for verbose: ${bad}: strconv.ParseBool: parsing "${bad}": invalid syntax`,
      });
  });

  test("filters come as maps or lists and never throw anything but a Fault", () => {
    assert.deepEqual(parseFilters(""), {});
    assert.deepEqual(parseFilters("null"), {});
    const { label = [] } = parseFilters('{"label":{"a=b":true,"c":false}}');
    assert.deepEqual([[...label], label.off], [["a=b", "c"], ["c"]]);
    assert.deepEqual(parseFilters('{"label":["a","a","b"],"x":null}'), { label: ["a", "b"], x: [] });
    for (const bad of [
      "{",
      "[]",
      '{"a":5}',
      '{"a":[1]}',
      '{"a":{"b":1}}',
      '{"a":["b"],"c":{"d":true}}',
      '"x"',
    ]) {
      assert.throws(() => parseFilters(bad), { message: "invalid filter" }, bad);
    }
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        try {
          parseFilters(text);
        } catch (error) {
          assert.ok(error instanceof Fault && error.kind === "invalidParameter");
        }
      }),
    );
  });
});

test("the server has a route for every operation", () => {
  const routed = allRoutes({}).map((route) => route.operation.name);
  assert.deepEqual(routed.sort(), ALL_OPERATIONS.map((operation) => operation.name).sort());
});
