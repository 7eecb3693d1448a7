import assert from "node:assert/strict";
import { test } from "node:test";
import { Fault } from "../../lib/errors.ts";
import { findNeeds, refusalHint, type RootlessHost } from "./requirements.ts";

const user = { uid: 1000, gid: 1001 };
const programs: Record<string, string> = {
  newuidmap: "/u",
  newgidmap: "/g",
  slirp4netns: "/s",
};

function hostWith(change: Partial<RootlessHost> = {}, sysctls: Record<string, string> = {}): RootlessHost {
  return {
    accounts: {
      passwd: "web:x:1000:1001:::\n",
      group: "",
      subuid: "web:100000:65536\n",
      subgid: "1000:200000:65536\nweb:400000:10\n",
    },
    find: (name) => programs[name],
    sysctl: (name) => sysctls[name],
    kernelRelease: "6.1.0-18-amd64",
    ...change,
  };
}

test("the user is root, and his set-aside ids are the others", () => {
  const { map, tools, slirp } = findNeeds(user, hostWith());
  assert.deepEqual(map, {
    uids: [
      { inside: 0, outside: 1000, size: 1 },
      { inside: 1, outside: 100000, size: 65536 },
    ],
    gids: [
      { inside: 0, outside: 1001, size: 1 },
      { inside: 1, outside: 200000, size: 65536 },
      { inside: 65537, outside: 400000, size: 10 },
    ],
  });
  assert.deepEqual(tools, { uid: "/u", gid: "/g" });
  assert.equal(slirp, "/s");
});

test("what is missing is named, with the remedy", () => {
  const accounts = hostWith().accounts;
  const cases: [RootlessHost, RegExp][] = [
    [hostWith({ kernelRelease: "5.10.0" }), /needs Linux 5\.11, this is 5\.10\.0/],
    [
      hostWith({}, { "kernel.unprivileged_userns_clone": "0" }),
      /sysctl -w kernel\.unprivileged_userns_clone=1/,
    ],
    [hostWith({}, { "user.max_user_namespaces": "0" }), /sysctl -w user\.max_user_namespaces/],
    [hostWith({ find: (n) => (n === "newgidmap" ? undefined : programs[n]) }), /package uidmap/],
    [
      hostWith({ accounts: { ...accounts, subuid: "" } }),
      /no ids are set aside for web in \/etc\/subuid.*--add-subuids/,
    ],
    [
      hostWith({ accounts: { ...accounts, subgid: "web:1:10\n" } }),
      /only 10 ids.*\/etc\/subgid.*--add-subgids/,
    ],
    [hostWith({ find: (n) => (n.startsWith("new") ? programs[n] : undefined) }), /install slirp4netns/],
  ];
  for (const [host, message] of cases)
    assert.throws(
      () => findNeeds(user, host),
      (e) => e instanceof Fault && e.kind === "unavailable" && message.test(e.message),
      String(message),
    );
});

test("AppArmor's restriction is named where the kernel has it", () => {
  assert.match(
    refusalHint(hostWith({}, { "kernel.apparmor_restrict_unprivileged_userns": "1" })),
    /AppArmor/,
  );
  assert.equal(refusalHint(hostWith()), "");
});
