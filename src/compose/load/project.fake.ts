// Projects for tests: from the text of a Compose file, in a directory of their own, without registries.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { Fault } from "../../lib/errors.ts";
import type { Project } from "../model/project.ts";
import type { ArtifactRegistry } from "./artifact.ts";
import { loadProject } from "./load.ts";

const refuse = async (): Promise<never> => {
  throw new Fault("unavailable", "there is no registry in this test");
};
export const noRegistries: ArtifactRegistry = { manifest: refuse, blob: refuse };

/** A directory in which a test's Compose files are written; removed when its tests are done. */
export class ProjectDirectory {
  readonly path = mkdtempSync(join(tmpdir(), "berth-compose-"));

  constructor() {
    after(() => rmSync(this.path, { recursive: true, force: true }));
  }

  /** Loads the project `p` of files here. */
  loadFiles(files: readonly string[]): Promise<Project> {
    return loadProject({
      files: files.map((name) => join(this.path, name)),
      envFiles: [],
      projectDirectory: "",
      name: "p",
      profiles: [],
      processEnvironment: {},
      warn: () => {},
      artifacts: noRegistries,
    });
  }

  /** Loads the project `p` of one file's text. */
  load(text: string): Promise<Project> {
    writeFileSync(join(this.path, "compose.yaml"), text);
    return this.loadFiles(["compose.yaml"]);
  }
}
