// Many containers, made through the API: nothing of it is measured.
import type { DaemonEngine } from "../field/engines.ts";

/** As many at a time as two processors can use. */
const AT_ONCE = 8;

const made = new WeakMap<DaemonEngine, { created: number; started: number }>();

function countsOf(engine: DaemonEngine): { created: number; started: number } {
  const counts = made.get(engine) ?? { created: 0, started: 0 };
  made.set(engine, counts);
  return counts;
}

async function each(from: number, to: number, body: (n: number) => Promise<unknown>): Promise<void> {
  let next = from;
  const worker = async (): Promise<void> => {
    for (let n = next++; n <= to; n = next++) await body(n);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

/** Makes containers box1, box2... until there are `count`. */
export async function createContainers(engine: DaemonEngine, count: number): Promise<void> {
  const counts = countsOf(engine);
  await each(counts.created + 1, count, (n) =>
    engine.api("POST", `/containers/create?name=box${n}`, { Image: "bench", Cmd: ["sleep", "86400"] }),
  );
  counts.created = Math.max(counts.created, count);
}

/** Makes and starts them until `count` run. */
export async function startContainers(engine: DaemonEngine, count: number): Promise<void> {
  await createContainers(engine, count);
  const counts = countsOf(engine);
  await each(counts.started + 1, count, (n) => engine.api("POST", `/containers/box${n}/start`));
  counts.started = Math.max(counts.started, count);
}
