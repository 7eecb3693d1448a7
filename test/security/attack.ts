// The form of the attacks. Each says what the attacker got, against the product: nothing. With BERTH_WEAKENED=1 (`make
// security-weakened`) each runs against a build that lacks the defence it is about, and has to get something: an attack that would not
// notice an open door is no evidence that the door is shut.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { Bed } from "./bed.ts";
import { checkEdits, type Edit, weaken } from "./weaken.ts";
import type { DaemonOptions } from "../e2e/harness.ts";

export interface Attack {
  /** What has to hold. */
  readonly claim: string;
  /** Published holes of this class. */
  readonly cves: readonly string[];
  /** What takes the defence away. */
  readonly weakened: readonly Edit[];
  /** Attacks; returns what was got that no container may have. */
  run(bed: Bed): Promise<readonly string[]>;
}

const IS_WEAKENED = process.env["BERTH_WEAKENED"] === "1";

/** Registers the attacks as tests. */
export function attacks(title: string, list: readonly Attack[], options: DaemonOptions = {}): void {
  if (IS_WEAKENED)
    describe(`${title}, without the defence`, () => list.forEach((a) => weakenedTest(a, options)));
  else describe(title, () => productTests(list, options));
}

const nameOf = (attack: Attack): string => [attack.cves.join(", "), attack.claim].filter(Boolean).join(": ");

function productTests(list: readonly Attack[], options: DaemonOptions): void {
  let bed: Bed;
  before(async () => {
    bed = await Bed.open(options);
  });
  afterEach(() => bed.daemon.removeContainers());
  after(() => bed[Symbol.asyncDispose]());
  for (const attack of list)
    test(nameOf(attack), async () => {
      await checkEdits(attack.weakened);
      assert.deepEqual([...(await attack.run(bed))], []);
    });
}

function weakenedTest(attack: Attack, options: DaemonOptions): void {
  test(nameOf(attack), async () => {
    await using build = await weaken(attack.weakened);
    const bed = await Bed.open({ ...options, program: build.program });
    try {
      const got = await attack.run(bed);
      assert.notDeepEqual([...got], [], "the attack does not notice that its defence is gone");
    } finally {
      // ignored: what an attack has done to a product without its defence is not judged
      await bed[Symbol.asyncDispose]().catch(() => undefined);
    }
  });
}
