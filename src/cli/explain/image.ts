// What an image is made of, what keeps it, and whether it can run here. Pure over the answers of the API.
import { ownName } from "../../api/container-name.ts";
import type { ContainerSummary } from "../../api/schemas/container.ts";
import type { ImageHistory, ImageInspect, ImageSummary } from "../../api/schemas/image.ts";
import { humanSize } from "../../lib/units/size.ts";
import { type Explanation, Findings, listed } from "./explanation.ts";

export interface ImageAnswers {
  readonly inspect: ImageInspect;
  readonly history: ImageHistory;
  /** Of this image, with its shared size. */
  readonly summary: ImageSummary | undefined;
  /** Those that stand on it. */
  readonly containers: readonly ContainerSummary[];
  /** The daemon's, in Go's words: amd64. */
  readonly architecture: string;
}

const BIG_LAYERS = 3;

/** Explains an image. */
export function explainImage(answers: ImageAnswers, name: string, program: string): Explanation {
  const { inspect, history, summary, containers, architecture } = answers;
  const found = new Findings();
  const shared = Math.max(0, summary?.SharedSize ?? 0);
  const biggest = [...history].sort((a, b) => b.Size - a.Size).filter((layer) => layer.Size > 0);
  for (const layer of biggest.slice(0, BIG_LAYERS))
    found.facts.push(`${humanSize(layer.Size)} come from ${commandOf(layer.CreatedBy)}`);
  if (shared > 0)
    found.facts.push(
      `${humanSize(shared)} of it are layers of other images, too: removing it frees ${humanSize(inspect.Size - shared)}`,
    );
  if ((inspect.RepoTags ?? []).length === 0) {
    found.because.push("it has no name (dangling): its name went to a newer image, or a build left it");
    found.advice.push(`\`${program} image prune\` removes such images`);
  } else found.facts.push(`it is called ${listed(inspect.RepoTags ?? [])}`);
  if ((inspect.RepoDigests ?? []).length > 0)
    found.facts.push(`it is in a registry as ${listed(inspect.RepoDigests ?? [], 2)}`);
  else found.facts.push("it was made here and is in no registry that the daemon knows of");
  if (inspect.Architecture !== architecture) {
    found.because.push(
      `it is for ${inspect.Architecture}, and the daemon's host is ${architecture}: its programs end with "exec format error"`,
    );
    found.advice.push(`pull or build it for this host: --platform linux/${architecture}`);
  }
  users(containers, name, program, found);
  const verdict = `takes ${humanSize(inspect.Size)} in ${inspect.RootFS.Layers?.length ?? 0} layers`;
  return found.explain(`image ${name}`, verdict);
}

function users(
  containers: readonly ContainerSummary[],
  name: string,
  program: string,
  found: Findings,
): void {
  if (containers.length === 0) {
    found.facts.push("no container uses it");
    return;
  }
  const names = (list: readonly ContainerSummary[]): string =>
    listed(list.map((c) => ownName(c.Names) || c.Id));
  const running = containers.filter((c) => c.State === "running");
  if (running.length > 0) {
    found.facts.push(
      `it cannot be removed, also by force: ${names(running)} run${running.length === 1 ? "s" : ""} from it`,
    );
    found.advice.push(`to remove it, stop and remove ${names(running)} first`);
  } else {
    found.facts.push(
      `it is removed by force only: ${names(containers)} stand${containers.length === 1 ? "s" : ""} on it`,
    );
    found.advice.push(`to remove it, remove ${names(containers)} first, or \`${program} rmi -f ${name}\``);
  }
}

/** What made a layer, as short as it stays clear. */
function commandOf(createdBy: string): string {
  const text = createdBy
    .replace(/^\/bin\/sh -c (#\(nop\) )?/, "")
    .trim()
    .replace(/\s+/g, " ");
  return text === "" ? "a layer without history" : text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
