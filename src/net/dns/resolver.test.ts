import assert from "node:assert/strict";
import { test } from "node:test";
import dnsPacket, { type Packet } from "dns-packet";
import type { NameSource } from "./ports.ts";
import { Resolver } from "./resolver.ts";

const question = (name: string): Uint8Array =>
  dnsPacket.encode({ type: "query", id: 1, questions: [{ name, type: "A" }] } as Packet);

/** A resolver for a container that is young as long as `youth.left` is above 0; each look takes one away. */
function resolver(known: Map<string, string[]>, youth: { left: number }) {
  const forwarded: string[] = [];
  const names: NameSource = {
    addressesOf: (_, name) => known.get(name),
    nameOf: () => undefined,
    observe: () => undefined,
    forwardingOf: () => ({ usesHost: true, servers: [], hasNdots: false }),
  };
  const it = new Resolver({
    names,
    forward: async (_, query) => {
      forwarded.push(query.name);
      return new Uint8Array(12);
    },
    isYoung: () => youth.left-- > 0,
  });
  const ask = async (name: string) => {
    const reply = await it.answer("c", question(name));
    return dnsPacket.decode(Buffer.from(reply?.message ?? []));
  };
  return { ask, forwarded };
}

test("a young container waits for a plain name that nobody has yet", async () => {
  const known = new Map<string, string[]>();
  const { ask, forwarded } = resolver(known, { left: 100 });
  const answer = ask("php");
  known.set("php", ["10.0.0.7"]);
  assert.deepEqual(
    (await answer).answers?.map((a) => (a as { data: string }).data),
    ["10.0.0.7"],
  );
  assert.deepEqual(forwarded, []);
});

test("what does not appear, has a dot, or is asked by an older container is asked elsewhere", async () => {
  const { ask, forwarded } = resolver(new Map(), { left: 3 });
  await ask("never");
  await ask("later");
  assert.deepEqual(forwarded, ["never", "later"]);
  const young = resolver(new Map(), { left: 1e9 });
  await young.ask("example.com");
  assert.deepEqual(young.forwarded, ["example.com"]);
});
