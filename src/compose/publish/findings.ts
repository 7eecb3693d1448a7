// What somebody who publishes a project may not want to give away: each kind is a question before anything is sent.

import { readFileSync, statSync } from "node:fs";
import type { Project } from "../model/project.ts";
import type { Node } from "../tree/node.ts";
import { parseYaml } from "../tree/parse.ts";
import type { PublishedFiles } from "./files.ts";

/** Names of variables whose values are nobody's business. */
const SENSITIVE_NAME =
  /(?:api|encryption|access|private|secret|auth)[_-]?key|pass(?:word|wd|phrase)?(?:$|_)|secret|token|credential/i;
/** A value that stands there, and no variable. */
const LITERAL = /^[^${\s].+[^}\s]$/s;

type Source = PublishedFiles["sources"][number];

interface SecretKind {
  readonly name: string;
  readonly pattern: RegExp;
  /** Under which names it counts; any without. */
  readonly key?: RegExp;
}
const SECRETS: readonly SecretKind[] = [
  { name: "AWS Client ID", pattern: /(?:A3T[A-Z0-9]|AKIA|AGPA|AIDA|AROA|AIPA|ANPA|ANVA|ASIA)[A-Z0-9]{16}/ },
  { name: "AWS Secret Key", pattern: /[A-Za-z0-9/+=]{40}/, key: /aws.*(?:secret|key)/i },
  {
    name: "Github authentication",
    pattern: /(?:gh[pousr]_[A-Za-z0-9_]{36,}|github_pat_[A-Za-z0-9_]{22,})/,
  },
  { name: "JSON Web Token", pattern: /ey[A-Za-z0-9_-]{8,}\.ey[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}/ },
  {
    name: "Private Key",
    pattern: /-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----[\s\S]*?-----END (?:[A-Z0-9]+ )*PRIVATE KEY-----/,
  },
  { name: "URL with password", pattern: /[a-z][a-z0-9+.-]*:\/\/[^\s:/@${}]+:[^\s@/${}]+@[^\s]+/i },
];

/** Returns the services that have nothing but a build: nobody who reads the project could run them. */
export function buildOnly(project: Project): string[] {
  return Object.values(project.services)
    .filter(({ image, build }) => image === undefined && build !== undefined)
    .map(({ name }) => name)
    .sort();
}

/** Returns the questions to be asked, each a text of several lines that ends with the question itself. */
export function questions(
  project: Project,
  published: PublishedFiles,
  { withEnvironment }: { readonly withEnvironment: boolean },
): string[] {
  const { services, literalConfigs } = declarations(published);
  return [
    bindMounts(project),
    secrets(project, published),
    withEnvironment ? undefined : environment(services),
    literalConfigs.length === 0 ? undefined : configContents(literalConfigs),
  ].filter((question) => question !== undefined);
}

function bindMounts(project: Project): string | undefined {
  const lines = Object.values(project.services).flatMap(({ name, volumes = [] }) => {
    const binds = volumes.filter(({ type }) => type === "bind");
    return binds.map((b) => `  ${name}: ${b.source ?? ""}:${b.target}${b.read_only === true ? ":ro" : ""}`);
  });
  if (lines.length === 0) return undefined;
  return [
    "you are about to publish bind mounts declaration within your OCI artifact.",
    "only the bind mount declarations will be added to the OCI artifact (not content)",
    "please double check that you are not mounting potential user's sensitive directories or data",
    ...lines,
    "Are you ok to publish these bind mount declarations?",
  ].join("\n");
}

function secrets(project: Project, { sources, envFiles }: PublishedFiles): string | undefined {
  const named = [...Object.values(project.configs), ...Object.values(project.secrets)];
  const contents = named.flatMap(({ file }) => (file === undefined ? [] : [textOf(file)]));
  const found = [
    ...sources.flatMap(documentSecrets),
    ...envFiles.flatMap(({ content }) => variableSecrets(Buffer.from(content).toString("utf8"))),
    ...contents.flatMap((text) => [...variableSecrets(text), ...secretsIn("", text)]),
  ];
  const lines = [...new Set(found)];
  if (lines.length === 0) return undefined;
  return [
    "you are about to publish sensitive data within your OCI artifact.",
    "please double check that you are not leaking sensitive data",
    ...lines,
    "Are you ok to publish these sensitive data?",
  ].join("\n");
}

function textOf(path: string): string {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats?.isFile() === true ? readFileSync(path, "utf8") : "";
}

function secretsIn(key: string, value: string): string[] {
  return SECRETS.flatMap(({ name, pattern, key: under }) => {
    const match = under === undefined || under.test(key) ? pattern.exec(value) : null;
    return match === null ? [] : [`${name}\n${JSON.stringify(key)}: ${match[0]}`];
  });
}

const variableSecrets = (text: string): string[] =>
  text.split("\n").flatMap((line) => {
    const [, key = "", value = ""] = /^\s*(?:export\s+)?([\w.-]+)\s*[=:]\s*(.*)$/.exec(line) ?? [];
    return key === "" ? [] : secretsIn(key, value);
  });

function documentSecrets(source: Source): string[] {
  const found: string[] = [];
  eachText(source, (path, value) => {
    const [, key, assigned] = /^([\w.-]+)=(.*)$/s.exec(value) ?? [];
    const at = key === undefined ? path : `${path.replace(/\.\d+$/, "")}.${key}`;
    found.push(...secretsIn(at, assigned ?? value));
  });
  return found;
}

/** Tells every text of a file with the names that lead to it. */
function eachText({ path: file, text }: Source, tell: (path: string, value: string) => void): void {
  const visit = (node: Node, path: string): void => {
    const below = (name: string | number): string => (path === "" ? String(name) : `${path}.${name}`);
    if (node.kind === "map") for (const [name, { value }] of node.entries) visit(value, below(name));
    else if (node.kind === "list") for (const [i, item] of node.items.entries()) visit(item, below(i));
    else if (typeof node.value === "string") tell(path, node.value);
  };
  for (const document of parseYaml(text, file)) visit(document, "");
}

interface Declared {
  hasEnvFile: boolean;
  readonly names: Set<string>;
}

/** What the files say of environments and of the contents of configs, as it is written there. */
function declarations({ sources }: PublishedFiles): {
  services: ReadonlyMap<string, Declared>;
  literalConfigs: readonly string[];
} {
  const services = new Map<string, Declared>();
  const configs = new Set<string>();
  const of = (service: string): Declared => {
    const known = services.get(service) ?? { hasEnvFile: false, names: new Set() };
    services.set(service, known);
    return known;
  };
  for (const source of sources)
    eachText(source, (path, value) => {
      const [part, name = "", attribute, key = ""] = path.split(".");
      if (part === "configs" && attribute === "content" && isLiteral(value)) configs.add(name);
      if (part !== "services") return;
      if (attribute === "env_file") of(name).hasEnvFile = true;
      if (attribute !== "environment") return;
      const [, variable = key, assigned = value] = /^([\w.-]+)=(.*)$/s.exec(value) ?? [];
      if (SENSITIVE_NAME.test(variable) && isLiteral(assigned)) of(name).names.add(variable);
    });
  return { services, literalConfigs: [...configs].sort() };
}

/** A doubled dollar stands for one that is no variable's. */
const isLiteral = (value: string): boolean => LITERAL.test(value.replaceAll("$$", "X"));

function environment(services: ReadonlyMap<string, Declared>): string | undefined {
  const lines = [...services]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, { hasEnvFile, names }]) => {
      const quoted = [...names]
        .sort()
        .map((n) => JSON.stringify(n))
        .join(", ");
      return [
        ...(hasEnvFile ? [`  service ${JSON.stringify(name)}: env_file declared`] : []),
        ...(quoted === "" ? [] : [`  service ${JSON.stringify(name)}: literal value for ${quoted}`]),
      ];
    });
  if (lines.length === 0) return undefined;
  return [
    "you are about to publish env-related declarations within your OCI artifact.",
    "env_file paths and literal values for sensitive-looking keys are embedded as-is in the published YAML;",
    'interpolated values like "${VAR}" are kept symbolic and have already been excluded.',
    ...lines,
    "Use --with-env to silence this prompt and always publish env declarations.",
    "Are you ok to publish these env declarations?",
  ].join("\n");
}

const configContents = (names: readonly string[]): string =>
  [
    "you are about to publish literal inline config content within your OCI artifact.",
    ...names.map((name) => `  config ${JSON.stringify(name)}`),
    "Are you ok to publish these config contents?",
  ].join("\n");
