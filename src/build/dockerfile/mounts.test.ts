import assert from "node:assert/strict";
import { test } from "node:test";
import { checkMount, mountOrigin, parseMount } from "./mounts.ts";

const parse = (text: string) => parseMount(text, (value) => value.replace("$V", "value"));
const refusal = (text: string) => {
  try {
    parse(text);
  } catch (error) {
    return (error as Error).message;
  }
  return assert.fail(`${text} was taken`);
};

test("parseMount gives each type its defaults", () => {
  assert.deepEqual(parse("target=/x"), {
    type: "bind",
    from: "",
    source: "",
    target: "/x",
    id: "",
    isRequired: false,
    sizeBytes: 0,
    sharing: "shared",
    isReadonly: true,
  });
  assert.equal(parse("type=cache,target=/x").isReadonly, false);
  assert.equal(parse("type=cache,target=/x,ro").isReadonly, true);
  assert.equal(parse("type=bind,dst=/x,rw=true").isReadonly, false);
  assert.equal(parse("type=tmpfs,target=/x,size=1m").sizeBytes, 1 << 20);
  assert.deepEqual(
    { ...parse("type=secret,id=a,mode=0440,uid=7,gid=8,required,env=A") },
    {
      ...parse("type=secret,id=a"),
      mode: 0o440,
      uid: 7,
      gid: 8,
      isRequired: true,
      env: "A",
    },
  );
  assert.equal(parse("type=cache,sharing=locked,target=$V").target, "value");
  assert.equal(parse('type=bind,"source=a,b",target=/x').source, "a,b");
});

test("parseMount says what is wrong", () => {
  assert.equal(refusal("type=cach"), 'unsupported mount type "cach" (did you mean cache?)');
  assert.equal(refusal("typ=cache"), "unexpected key 'typ' in 'typ=cache' (did you mean type?)");
  assert.equal(refusal("target"), "invalid field 'target' must be a key=value pair");
  assert.equal(refusal("required"), "unexpected key 'required' for mount type 'bind'");
  assert.equal(refusal("type=bind,size=3"), "unexpected key 'size' for mount type 'bind'");
  assert.equal(refusal("type=bind,uid=3"), 'uid not allowed for "bind" type mounts');
  assert.equal(refusal("type=cache,uid=-3"), "invalid value -3 for uid");
  assert.equal(refusal("type=secret"), "invalid secret mount. one of source, target required");
  assert.equal(refusal("type=secret,id=a,source=b"), "both source and id can't be set");
  assert.equal(refusal("type=ssh,source=b"), "ssh does not support source");
  assert.equal(refusal("type=tmpfs,sharing=locked"), "invalid cache sharing set for tmpfs mount");
  assert.equal(refusal("ro=maybe"), "invalid value for ro: maybe");
});

test("checkMount refuses a variable in from, before it has a value", () => {
  assert.throws(() => checkMount("from=$X,target=/x"), /'from' doesn't support variable expansion/);
  checkMount("type=$T,from=stage");
  assert.equal(mountOrigin("type=bind,from=stage"), "stage");
  assert.equal(mountOrigin("type=cache"), "");
});
