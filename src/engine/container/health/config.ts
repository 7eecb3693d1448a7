// The Healthcheck of a container's configuration: what a request may say, how it combines with the image's, and the same in the
// words of the floors below.
import type {
  ContainerConfig,
  ContainerConfigRequest,
  HealthConfig,
} from "../../../api/schemas/container.ts";
import { Fault } from "../../../lib/errors.ts";
import { isAtLeast } from "../../../lib/version-order.ts";
import type { Healthcheck } from "../../../oci/image-config.ts";
import { type CompleteCheck, completeCheck, TEST_KINDS } from "../../../runtime/health/check.ts";
import { httpTarget, tcpTarget } from "../../../runtime/health/target.ts";

type Request = ContainerConfigRequest["Healthcheck"];
type Checked = Pick<ContainerConfig, "Healthcheck">;

const LEAST_NANOS = 1e6;
const TIMES = ["Interval", "Timeout", "StartPeriod", "StartInterval"] as const;

/** What is done with a container that becomes unhealthy. */
export const REACTIONS = ["none", "restart", "stop", "kill"] as const;
export type Reaction = (typeof REACTIONS)[number];

function refuse(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "health.config" });
}

/** Returns the check as the client's version has it: StartInterval came with 1.44 and is ignored before. */
export function adaptHealthcheck(request: Request, version: string): Request {
  if (!request || isAtLeast(version, "1.44")) return request;
  const { StartInterval: _, ...older } = request;
  return older;
}

/** Refuses what a request must not say; compat: the first two in moby's words (daemon/container.go, validateHealthCheck). */
export function checkHealthcheck(request: Request): void {
  if (!request) return;
  for (const name of TIMES) {
    const nanos = request[name] ?? 0;
    if (nanos !== 0 && nanos < LEAST_NANOS) throw refuse(`${name} in Healthcheck cannot be less than 1ms`);
  }
  if ((request.Retries ?? 0) < 0) throw refuse("Retries in Healthcheck cannot be negative");
  if (request.OnFailure && !(REACTIONS as readonly string[]).includes(request.OnFailure))
    throw refuse(
      `OnFailure in Healthcheck must be one of ${REACTIONS.join(", ")}, not "${request.OnFailure}"`,
    );
  const [warning] = checkTest(request.Test ?? []);
  if (warning !== undefined) throw refuse(warning);
}

/**
 * Refuses a test that says too little, or goes where no check can go. A kind that nobody knows is a warning: an image that has one
 * runs without a check, as with Docker.
 */
export function checkTest(test: readonly string[]): string[] {
  const [kind, target = ""] = test;
  if (kind === undefined || kind === "NONE") return [];
  if (!TEST_KINDS.includes(kind))
    return [
      `Test in Healthcheck must begin with one of ${[...TEST_KINDS, "NONE"].join(", ")}, not "${kind}"`,
    ];
  if (test.length === 1) throw refuse(`Test in Healthcheck has nothing after "${kind}"`);
  if ((kind === "HTTP" || kind === "TCP") && test.length > 2)
    throw refuse(`Test in Healthcheck has more than one target after "${kind}"`);
  if (kind === "HTTP") httpTarget(target);
  if (kind === "TCP") tcpTarget(target);
  return [];
}

/** Returns the request's check with what it leaves open taken from the image's, field by field; undefined when neither has one. */
export function completeHealthcheck(
  request: Request,
  image: Healthcheck | undefined,
): HealthConfig | undefined {
  if (!request && image === undefined) return undefined;
  const merged = {
    Test: request?.Test?.length ? request.Test : image?.test === undefined ? undefined : [...image.test],
    Interval: request?.Interval || image?.intervalNanos,
    Timeout: request?.Timeout || image?.timeoutNanos,
    StartPeriod: request?.StartPeriod || image?.startPeriodNanos,
    StartInterval: request?.StartInterval || image?.startIntervalNanos,
    Retries: request?.Retries || image?.retries,
    OnFailure: request?.OnFailure || image?.onFailure,
  };
  return Object.fromEntries(Object.entries(merged).filter(([, v]) => v !== undefined && v !== null));
}

/** Returns the check in the vocabulary of images. */
export function healthcheckOf(h: NonNullable<Request>): Healthcheck {
  return {
    ...(h.Test ? { test: h.Test } : {}),
    ...(h.Interval ? { intervalNanos: h.Interval } : {}),
    ...(h.Timeout ? { timeoutNanos: h.Timeout } : {}),
    ...(h.StartPeriod ? { startPeriodNanos: h.StartPeriod } : {}),
    ...(h.StartInterval ? { startIntervalNanos: h.StartInterval } : {}),
    ...(h.Retries ? { retries: h.Retries } : {}),
    ...(h.OnFailure ? { onFailure: h.OnFailure } : {}),
  };
}

/** Refuses a request for a reaction to what nobody checks. */
export function checkReaction(request: Request, config: Checked): void {
  const reaction = request?.OnFailure ?? "";
  if (!["", "none"].includes(reaction) && checkOf(config) === null)
    throw refuse(`cannot ${reaction} a container that has no health check when it is unhealthy`);
}

/** Returns the check that is made of a container, null where there is none. */
export function checkOf(config: Checked): CompleteCheck | null {
  return config.Healthcheck ? completeCheck(healthcheckOf(config.Healthcheck)) : null;
}

/** Returns what is to be done when the container becomes unhealthy; an image may have said what nobody knows. */
export function reactionOf(config: Checked): Reaction {
  return REACTIONS.find((r) => r === config.Healthcheck?.OnFailure) ?? "none";
}
