import assert from "node:assert/strict";
import { test } from "node:test";
import { askedProfile, chooseProfile } from "./choose.ts";
import { isProfileLoaded, ownProfile } from "./load.ts";
import { renderProfile } from "./profile.ts";

const HOST = { hasAppArmor: true, defaultProfile: "berth-default" };

test("renderProfile names its peers and uses only the includes that are there", () => {
  const bare = renderProfile({ name: "p q", daemonProfile: "unconfined", hasInclude: () => false });
  assert.match(bare, /^@\{PROC\}=\/proc\/$/m);
  assert.match(bare, /^profile "p q" flags=\(attach_disconnected,mediate_deleted\) \{$/m);
  assert.doesNotMatch(bare, /#include|^abi/m);
  assert.equal(bare.match(/signal \(receive\)/g)?.length, 3);
  const full = renderProfile({ name: "p", daemonProfile: "berth", hasInclude: () => true });
  assert.match(full, /^abi <abi\/3.0>,\n#include <tunables\/global>$/m);
  assert.match(full, /^ {2}#include <abstractions\/base>$/m);
  assert.match(full, /^ {2}signal \(receive\) peer="berth",$/m);
});

test("isProfileLoaded reads the kernel's list, whose names may have spaces", () => {
  const list = "nvidia modprobe (enforce)\nberth-default (enforce)\nberth-default//null (complain)\n";
  assert.equal(isProfileLoaded("berth-default", list), true);
  assert.equal(isProfileLoaded("nvidia modprobe", list), true);
  assert.equal(isProfileLoaded("berth", list), false);
  assert.equal(isProfileLoaded("berth", undefined), false);
});

test("ownProfile is what the kernel says without the mode", () => {
  assert.equal(ownProfile("unconfined\n"), "unconfined");
  assert.equal(ownProfile("my daemon (complain)\n\0"), "my daemon");
  assert.equal(ownProfile(undefined), "unconfined");
});

test("chooseProfile: what is asked for, else none for a privileged container, else the default", () => {
  const choose = (asked: string | undefined, isPrivileged = false, host = HOST) =>
    chooseProfile(asked, { isPrivileged }, host);
  assert.equal(choose(undefined), "berth-default");
  assert.equal(choose(undefined, true), "unconfined");
  assert.equal(choose("web", true), "web");
  assert.equal(choose("unconfined"), "unconfined");
  assert.equal(choose("docker-default"), "berth-default");
  const missing = { hasAppArmor: true, defaultProfile: "" };
  assert.equal(choose(undefined, false, missing), "");
  assert.equal(
    choose("berth-default", false, missing),
    "berth-default",
    "asked for by name it must be there",
  );
  assert.equal(choose("web", false, { hasAppArmor: false, defaultProfile: "" }), "");
});

test("askedProfile takes the last one, in both spellings", () => {
  assert.equal(askedProfile(["label=disable"]), undefined);
  assert.equal(askedProfile(["apparmor=a", "apparmor:b=c"]), "b=c");
});
