// The contexts of `make compare-build`: Dockerfiles with the files they need, as tables. `busybox` is the base with a shell,
// `empty` one without any file. Each is built with both of Docker's builders unless `only` says otherwise.

export interface Context {
  readonly name: string;
  readonly dockerfile: string;
  readonly files?: Readonly<Record<string, FileSpec>>;
  /** Further words of the command line. */
  readonly args?: readonly string[];
  readonly only?: "classic" | "buildkit";
  /** Both engines have to refuse it. */
  readonly fails?: boolean;
  /** What Debian's BuildKit does not know, or does otherwise: compared with today's alone. */
  readonly isCurrent?: boolean;
  /** What is built instead of the context's directory. */
  readonly context?: string;
  /** Needs the server of served-files.ts. */
  readonly isServed?: boolean;
  /** Its directory gets the archives of served-files.ts. */
  readonly hasArchives?: boolean;
}

/** Content, or a directory, a symlink, a mode. */
export type FileSpec =
  | string
  | {
      readonly mode?: number;
      readonly content?: string;
      readonly link?: string;
      readonly isDirectory?: boolean;
    };

const lines = (...text: string[]): string => `${text.join("\n")}\n`;
const b = (...text: string[]): string => lines("FROM busybox", ...text);

/** Contexts that need nothing but a Dockerfile, as `name: lines`. */
function plain(table: Readonly<Record<string, string>>, more: Partial<Context> = {}): Context[] {
  return Object.entries(table).map(([name, dockerfile]) => ({ name, dockerfile, ...more }));
}

const CONFIGURATION = plain({
  "from only with label": b("LABEL a=b"),
  "env one pair": b("ENV A=b"),
  "env many pairs": b('ENV A=b C="d e" F=g\\ h'),
  "env legacy form": b("ENV A b c  d"),
  "env refers to env": b("ENV A=1", "ENV B=${A}2 C=$A$A", "ENV A=3 D=$A"),
  "env modifiers": b("ENV A=abc E=", "ENV B=${A:-x} C=${N:-x} D=${A:+y} F=${N:+y} H=${E:-z}"),
  "env escapes": b('ENV A=\\$HOME B="\\$HOME" C=\'$HOME\' D="a\\"b"'),
  "env override": b("ENV A=1", "ENV A=2"),
  "env path": b("ENV PATH=/x:$PATH"),
  "label forms": b('LABEL a=1 b="2 3" "c d"=4', "LABEL e=f\\", "ab", "LABEL a=5"),
  "label legacy": b("LABEL a b c"),
  "expose forms": b("EXPOSE 80 443/tcp", "EXPOSE 53/udp 8000-8003", "EXPOSE 80"),
  "expose variable": b("ENV P=8080", "EXPOSE $P ${P}/udp"),
  "cmd exec form": b('CMD ["a", "b c", "d\\"e"]'),
  "cmd shell form": b("CMD echo $HOME && ls"),
  "cmd twice": b("CMD a", 'CMD ["b"]'),
  "cmd empty": b("CMD []"),
  "entrypoint exec form": b('ENTRYPOINT ["/a"]'),
  "entrypoint shell form": b("ENTRYPOINT exec a b"),
  "cmd then entrypoint": b("CMD a", 'ENTRYPOINT ["/e"]'),
  "entrypoint then cmd": b('ENTRYPOINT ["/e"]', 'CMD ["a"]'),
  "entrypoint resets inherited cmd": lines("FROM busybox AS one", "CMD a", "FROM one", 'ENTRYPOINT ["/e"]'),
  "user forms": b("USER 1000", "USER dev:dev", "USER 5:6"),
  "user variable": b("ENV U=dev", "USER $U"),
  "volume forms": b("VOLUME /a /b", 'VOLUME ["/c d"]', "ENV V=/v", "VOLUME $V"),
  "workdir chain": b("WORKDIR /a", "WORKDIR b", "WORKDIR ../c", "ENV D=x", "WORKDIR $D/y"),
  "workdir existing": b("WORKDIR /tmp"),
  "workdir root": b("WORKDIR /"),
  "workdir relative first": b("WORKDIR rel"),
  stopsignal: b("STOPSIGNAL SIGQUIT", "ENV S=9", "STOPSIGNAL $S"),
  shell: b('SHELL ["/bin/sh", "-ec"]', "RUN echo x > /x", "CMD y", "ENTRYPOINT z"),
  "healthcheck forms": b(
    "HEALTHCHECK --interval=5m --timeout=3s --retries=3 CMD wget x",
    'HEALTHCHECK --start-period=10s CMD ["a", "b"]',
  ),
  "healthcheck none": b("HEALTHCHECK CMD x", "HEALTHCHECK NONE"),
  onbuild: b("ONBUILD RUN echo a", "ONBUILD COPY . /x", "ONBUILD ENV A=b"),
  maintainer: b("MAINTAINER A B <a@b.c>"),
  "maintainer then run": b("MAINTAINER A", "RUN echo x > /x"),
  everything: b(
    "ARG X=1",
    "ENV A=$X",
    "LABEL l=$A",
    "WORKDIR /w",
    "RUN echo $A > f",
    "EXPOSE 1",
    "VOLUME /v",
    "USER 1",
    "STOPSIGNAL 3",
    "HEALTHCHECK CMD h",
    "ENTRYPOINT e",
    "CMD c",
  ),
});

/** Debian's engine keeps the slash. */
const WORKDIR_SLASH = plain(
  { "workdir with trailing slash": b("WORKDIR /a/b/", "RUN pwd > x") },
  { isCurrent: true },
);

/** BuildKit would fetch the frontend that is named. */
const SYNTAX_DIRECTIVE = plain(
  { "syntax directive": lines("# syntax=docker/dockerfile:1", "FROM busybox", "ENV A=b") },
  { only: "classic" },
);

const SYNTAX = plain({
  "comments and blank lines": lines(
    "# a comment",
    "",
    "FROM busybox",
    "  # indented",
    "",
    "ENV A=b",
    "# last",
  ),
  "continuation with comment": b(
    "RUN echo a \\",
    "# a comment",
    "  && echo b > /x \\",
    "",
    "  && echo c > /y",
  ),
  "lower case": lines("from busybox as x", "env a=b", "run echo 1 > /x"),
  "mixed case": lines("From busybox", "EnV a=b"),
  "escape directive": lines("# escape=`", "FROM busybox", "ENV A=C:\\x B=a`", "b", "RUN echo a `", " > /x"),
  "tabs between words": lines("FROM\tbusybox", "ENV\tA=b", "RUN\techo\tx > /x"),
  "leading blanks": lines("   FROM busybox", "\tENV A=b"),
  crlf: "FROM busybox\r\nENV A=b\r\nRUN echo x > /x\r\n",
  "no last newline": "FROM busybox\nENV A=b",
  bom: "\uFEFFFROM busybox\nENV A=b\n",
  "json with blanks": b('CMD [ "a" ,  "b" ]'),
  "broken json is a shell form": b("CMD ['a', 'b']"),
});

const RUNS = plain({
  "run shell form": b("RUN echo hello > /hello"),
  "run exec form": b('RUN ["touch", "/a b"]'),
  "run true": b("RUN true"),
  "run many": b("RUN mkdir /d && touch /d/a", "RUN rm /d/a && touch /d/b", "RUN mv /d /e"),
  "run deletes base files": b("RUN rm -r /home /etc/group", "RUN mkdir /home && touch /home/new"),
  "run replaces directory by file": b("RUN rm -r /var && echo x > /var"),
  "run modes": b(
    "RUN touch /a && chmod 4755 /a && mkdir -m 1777 /t && touch /b && chown 1000:2000 /b && chmod 0 /b",
  ),
  "run links": b("RUN echo x > /a && ln /a /b && ln -s /a /c && ln -s missing /d"),
  "run fifo": b("RUN mkfifo /p && mknod /n c 1 3"),
  "run as user": b("USER dev", "RUN touch /tmp/mine && id -u > /tmp/id"),
  "run in workdir": b("WORKDIR /w/x", "RUN pwd > here"),
  "run uses env": b("ENV A=1 B='x y'", 'RUN echo "$A-$B" > /x'),
  "run quotes": b('RUN echo "a b"  \'c d\' > "/x y"'),
  "run umask": b("RUN umask 077 && touch /a && mkdir /d"),
  "run environment": b("RUN env | grep -v HOSTNAME | sort > /env"),
  "run environment as user": b("USER dev", "ENV A=b", "RUN env | grep -v HOSTNAME | sort > /tmp/env"),
  "run root mount points": b("RUN ls -d /proc /sys /dev > /l"),
  "run deep directories": b("RUN mkdir -p /a/b/c/d && touch /a/b/c/d/e"),
  "run empty file then append": b("RUN touch /f", "RUN echo a >> /f", "RUN echo b >> /f"),
  "run rename over": b("RUN echo 1 > /a && echo other > /b", "RUN mv /b /a"),
  "run chmod only": b("RUN echo x > /a", "RUN chmod 600 /a"),
  "run opaque": b("RUN mkdir /o && touch /o/1 /o/2", "RUN rm -r /o && mkdir /o && touch /o/3"),
});

const ARGS: Context[] = [
  ...plain({
    "arg default": b("ARG A=1", "RUN echo $A > /x", "ENV B=$A"),
    "arg without value": b("ARG A", "RUN echo [$A] > /x"),
    "arg before from": lines("ARG V=busybox", "FROM $V", "ARG V", "ENV W=$V"),
    "arg before from is not in the stage": lines("ARG V=busybox", "FROM ${V}", "ENV W=[$V]"),
    "arg refers to arg": b("ARG A=1", "ARG B=${A}2", "RUN echo $B > /x"),
    "env hides arg": b("ARG A=1", "ENV A=2", "RUN echo $A > /x", "LABEL l=$A"),
    "arg per stage": lines(
      "FROM busybox AS one",
      "ARG A=1",
      "RUN echo $A > /x",
      "FROM busybox",
      "RUN echo [$A] > /y",
    ),
    "platform args": b("ARG TARGETARCH", "ARG TARGETPLATFORM", "RUN echo $TARGETARCH $TARGETPLATFORM > /x"),
  }),
  { name: "build-arg", dockerfile: b("ARG A=1", "RUN echo $A > /x"), args: ["--build-arg", "A=2"] },
  {
    name: "build-arg of two",
    dockerfile: b("ARG Z", "ARG A=1", "RUN echo $A$Z > /x"),
    args: ["--build-arg", "A=2", "--build-arg", "Z=z"],
  },
  {
    name: "build-arg proxy",
    dockerfile: b("RUN echo $http_proxy > /x"),
    args: ["--build-arg", "http_proxy=http://p"],
  },
  {
    name: "build-arg selects base",
    dockerfile: lines("ARG V=nothing", "FROM $V", "ENV A=b"),
    args: ["--build-arg", "V=busybox"],
  },
  {
    name: "labels of the command line",
    dockerfile: b("LABEL a=1"),
    args: ["--label", "a=2", "--label", "b=c d"],
  },
  {
    name: "target",
    dockerfile: lines("FROM busybox AS one", "ENV A=1", "FROM busybox AS two", "ENV A=2"),
    args: ["--target", "one"],
  },
  {
    name: "dockerfile by name",
    dockerfile: "FROM nothing\n",
    files: { "sub/Other": b("COPY a /a"), a: "A" },
    args: ["-f", "{dir}/sub/Other"],
  },
];

const TREE: Readonly<Record<string, FileSpec>> = {
  "a.txt": "A\n",
  "b.txt": { content: "B\n", mode: 0o600 },
  "x.sh": { content: "#!/bin/sh\n", mode: 0o755 },
  "dir/c.txt": "C\n",
  "dir/sub/d.txt": "D\n",
  "dir/sub/e.md": "E\n",
  "dir/empty": { isDirectory: true },
  "dir/private": { isDirectory: true, mode: 0o700 },
  link: { link: "a.txt" },
  "dir/up": { link: "../a.txt" },
  dangling: { link: "nowhere" },
  "spaced name": "S\n",
  "[odd].txt": "O\n",
};
const tree = (table: Readonly<Record<string, string>>, more: Partial<Context> = {}): Context[] =>
  plain(table, { files: TREE, ...more });

const COPIES = tree({
  "copy file": b("COPY a.txt /a"),
  "copy file to directory": b("COPY a.txt /d/"),
  "copy file to existing directory": b("COPY a.txt /tmp"),
  "copy file to new deep path": b("COPY a.txt /p/q/r"),
  "copy keeps mode": b("COPY b.txt x.sh /d/"),
  "copy directory": b("COPY dir /d"),
  "copy directory to directory": b("COPY dir /d/"),
  "copy directory over existing": b("RUN mkdir -m 711 /d && touch /d/old", "COPY dir /d"),
  "copy everything": b("COPY . /all"),
  "copy everything to root": b("COPY dir /"),
  "copy dot to workdir": b("WORKDIR /w", "COPY . ."),
  "copy relative destination": b("WORKDIR /w", "COPY a.txt b"),
  "copy several": b("COPY a.txt b.txt dir /d/"),
  "copy wildcard": b("COPY *.txt /d/"),
  "copy wildcard in directory": b("COPY dir/sub/*.md /d/"),
  "copy wildcard of directories": b("COPY d?r /d/"),
  "copy character class": b("COPY [ab].txt /d/"),
  "copy escaped brackets": b("COPY [[]odd].txt /d/"),
  "copy link": b("COPY link /l"),
  "copy link in directory": b("COPY dir/up /u"),
  "copy json form": b('COPY ["spaced name", "/d e/"]'),
  "copy overwrites": b("RUN echo old > /a", "COPY a.txt /a"),
  "copy over link": b("RUN ln -s /tmp/target /a", "COPY a.txt /a"),
  "copy through link of the image": b("RUN mkdir /real && ln -s /real /l", "COPY a.txt /l/"),
  "copy into directory link": b("RUN mkdir /real && ln -s /real /l", "COPY dir /l"),
  "copy chown": b("COPY --chown=1000:2000 a.txt dir /d/"),
  "copy chown names": b("COPY --chown=dev:extra a.txt /d/"),
  "copy chown user alone": b("COPY --chown=dev a.txt /d/"),
  "copy with user": b("USER dev", "COPY a.txt /d/"),
  "copy variable": b("ENV N=a.txt D=/d", "COPY $N ${D}/"),
  "copy empty directory": b("COPY dir/empty /e"),
  "copy private directory": b("COPY dir/private /e", "COPY dir/private /e2/"),
  "copy twice": b("COPY a.txt /a", "COPY b.txt /a"),
  "copy root slash": b("COPY / /all"),
  "copy absolute source": b("COPY /dir/sub /d"),
  "copy dot dot inside": b("COPY dir/../a.txt /a"),
  "add file": b("ADD a.txt /d/"),
  "add directory": b("ADD dir /d"),
});

const COPY_FROM = tree({
  "from stage": lines(
    "FROM busybox AS one",
    "RUN mkdir /o && echo x > /o/f && chown 5:6 /o/f && chmod 640 /o/f",
    "FROM busybox",
    "COPY --from=one /o /p",
  ),
  "from stage file": lines(
    "FROM busybox AS one",
    "RUN echo x > /f",
    "FROM busybox",
    "COPY --from=one /f /g/",
  ),
  "from stage number": lines("FROM busybox", "RUN echo x > /f", "FROM busybox", "COPY --from=0 f /"),
  "from image": b("COPY --from=busybox /etc/passwd /p"),
  "from stage to scratch": lines(
    "FROM busybox AS one",
    "RUN echo x > /f",
    "FROM scratch",
    "COPY --from=one /f /f",
  ),
  "from stage wildcard": lines(
    "FROM busybox AS one",
    "RUN touch /a1 /a2 /b1",
    "FROM busybox",
    "COPY --from=one /a* /d/",
  ),
  "from stage links": lines(
    "FROM busybox AS one",
    "RUN mkdir /o && echo x > /o/a && ln /o/a /o/b && ln -s a /o/c",
    "FROM busybox",
    "COPY --from=one /o /p",
  ),
  "from stage chown": lines(
    "FROM busybox AS one",
    "RUN echo x > /f",
    "FROM busybox",
    "COPY --from=one --chown=7:8 /f /f",
  ),
  "stage from stage": lines(
    "FROM busybox AS one",
    "ENV A=1",
    "RUN echo x > /f",
    "FROM one AS two",
    "RUN echo y > /g",
  ),
  "scratch with copy": lines("FROM scratch", "COPY a.txt /a"),
  "scratch with metadata": lines("FROM scratch", "COPY a.txt /", "ENV A=b", 'CMD ["/a.txt"]'),
  "scratch workdir": lines("FROM scratch", "WORKDIR /w", "COPY a.txt ."),
  "onbuild triggers": lines(
    "FROM busybox AS base",
    "ONBUILD COPY a.txt /t/",
    "ONBUILD RUN echo t > /t/u",
    "FROM base",
    "RUN echo v > /v",
  ),
});

/** The classic builder of Docker builds what nothing needs, too. */
const UNUSED = plain(
  { "unused stage": lines("FROM busybox AS unused", "RUN false", "FROM busybox", "ENV A=b") },
  { only: "buildkit" },
);

const IGNORED: Context[] = [
  ["plain", "a.txt\ndir\n"],
  ["negation", "*.txt\n!a.txt\n"],
  ["double star", "**/*.md\n**/empty\n"],
  ["directory with exception", "dir\n!dir/sub/d.txt\n"],
  ["comments and blanks", "# c\n\n  a.txt  \n/b.txt\n./x.sh\n"],
  ["dockerfile and itself", "Dockerfile\n.dockerignore\n"],
  ["everything but", "*\n!dir\n"],
  ["exception of an exception", "dir\n!dir/sub\ndir/sub/d.txt\n"],
  ["character class and question mark", "[ab].txt\n?.sh\n"],
  ["trailing slash and dots", "dir/\n./b.txt\n../outside\n"],
  ["double star in the middle", "dir/**/*.txt\n**/sub\n"],
  ["byte order mark", "\ufeffa.txt\n"],
  ["carriage returns", "a.txt\r\ndir\r\n"],
  ["exception of a parent alone", "dir/**\n!dir\n"],
].map(([name = "", content = ""]) => ({
  name: `dockerignore ${name}`,
  dockerfile: b("COPY . /all"),
  files: { ...TREE, ".dockerignore": content },
}));

/** Corners that few files have. */
const CORNERS = [
  ...plain({
    "onbuild of every kind": lines(
      "FROM busybox AS base",
      "ONBUILD ENV A=b",
      "ONBUILD WORKDIR /w",
      "ONBUILD USER dev",
      'ONBUILD ENTRYPOINT ["/e"]',
      "ONBUILD LABEL l=m",
      "ONBUILD EXPOSE 80",
      "ONBUILD RUN echo $A > /tmp/a",
      "FROM base",
      "ENV C=$A",
    ),
    "onbuild is not inherited twice": lines(
      "FROM busybox AS one",
      "ONBUILD RUN echo one >> /log",
      "FROM one AS two",
      "RUN echo two >> /log",
      "FROM two",
      "RUN echo three >> /log",
    ),
    "shell changes and is kept": b(
      'SHELL ["/bin/sh", "-ec"]',
      "RUN false || echo x > /x",
      "CMD echo y",
      'SHELL ["/bin/sh", "-uc"]',
      "ENTRYPOINT echo $0",
      "RUN echo z > /z",
    ),
    "shell of a base stage": lines(
      "FROM busybox AS base",
      'SHELL ["/bin/sh", "-xc"]',
      "FROM base",
      "CMD true",
      "RUN true",
    ),
    "arg again in a stage": lines(
      "ARG A=global",
      "FROM busybox AS one",
      "ARG A",
      "RUN echo $A > /x",
      "FROM busybox",
      "ARG A=own",
      "RUN echo $A > /y",
      "COPY --from=one /x /x",
    ),
    "arg behind its use": b("RUN echo [$A] > /x", "ARG A=1", "RUN echo [$A] > /y"),
    "proxy args leave no trace": b(
      "RUN echo $http_proxy > /x",
      "ARG https_proxy",
      "RUN echo [$https_proxy] > /y",
    ),
    "cmd goes when an entrypoint comes": b('CMD ["a"]', 'ENTRYPOINT ["b"]'),
    "entrypoint of the base and cmd": lines(
      "FROM busybox AS base",
      'ENTRYPOINT ["e"]',
      'CMD ["c"]',
      "FROM base",
      'ENTRYPOINT ["f"]',
    ),
    "expose ranges and protocols": b("EXPOSE 8000-8002/udp 80/tcp 81", "ARG P=90", "EXPOSE $P"),
    "whiteouts and opaque directories": b(
      "RUN mkdir -p /d/e && touch /d/a /d/e/b",
      "RUN rm -r /d && mkdir /d && touch /d/c",
      "RUN rm /d/c",
    ),
    "hardlinks and special bits": b(
      "RUN touch /a && ln /a /b && chmod 4755 /a && mkdir -m 1777 /t && mkdir -m 2755 /g",
      "RUN chmod 755 /b",
    ),
  }),
  ...tree({
    "copy a directory onto a link to a directory": b(
      "RUN mkdir /real && ln -s real /link",
      "COPY dir /link/",
    ),
    "copy a file onto a link to a file": b("RUN echo old > /real && ln -s real /link", "COPY a.txt /link"),
    "copy over a directory keeps the rest": b(
      "RUN mkdir -p /d/sub && touch /d/mine /d/sub/mine",
      "COPY dir /d",
    ),
    "add onbuild of files": lines("FROM busybox AS base", "ONBUILD ADD a.txt dir /got/", "FROM base"),
  }),
];

const BUILDKIT_ONLY: Context[] = [
  ...plain(
    {
      "mount tmpfs": b("RUN --mount=type=tmpfs,target=/tmp touch /tmp/x && echo y > /y"),
      "mount cache": b("RUN --mount=type=cache,target=/tmp touch /tmp/x && echo y > /y"),
      "mount bind from stage": lines(
        "FROM busybox AS one",
        "RUN echo x > /f",
        "FROM busybox",
        "RUN --mount=from=one,target=/tmp cp /tmp/f /g",
      ),
      "arg hides env": b("ENV A=1", "ARG A=2", "RUN echo $A > /x"),
      "arg of the base is in the stage above": lines(
        "FROM busybox AS base",
        "ARG A=1",
        "ENV B=$A",
        "FROM base",
        "ENV C=[$A] D=[$B]",
      ),
    },
    { only: "buildkit" },
  ),
  ...tree(
    {
      "mount bind context": b("RUN --mount=target=/tmp cp /tmp/a.txt /x"),
      "mount bind subdirectory": b("RUN --mount=source=dir/sub,target=/tmp cp -r /tmp /x"),
    },
    { only: "buildkit" },
  ),
  // Debian's makes the destination 0755, today's gives it the mode, too.
  ...tree({ "copy chmod": b("COPY --chmod=0751 a.txt dir /d/") }, { only: "buildkit", isCurrent: true }),
];

const FAILING: Context[] = [
  ...plain(
    {
      "unknown instruction": b("FOO bar"),
      "empty file": "",
      "comments only": "# nothing\n",
      "no from": "RUN true\n",
      "run fails": b("RUN exit 3"),
      "missing file": b("COPY nope /x"),
      "missing wildcard with dot": b("COPY nope /x", "COPY a b /x"),
      "bad flag": b("COPY --frum=x a /b"),
      "cmd json of numbers": b("CMD [1]"),
      "env without value": b("ENV A"),
      "expose nonsense": b("EXPOSE x"),
      "unknown stage": b("COPY --from=9 /a /b"),
      "blank base": "ARG X\nFROM $X\n",
      "outside of the context": b("COPY ../x /x"),
      "healthcheck nonsense": b("HEALTHCHECK FOO"),
      "chained onbuild": b("ONBUILD ONBUILD RUN x"),
      "unterminated variable": b("ENV A=${B"),
    },
    { fails: true },
  ),
];

/** Debian's BuildKit gives the file to root. */
const UNKNOWN_USER = plain(
  { "unknown user of chown": b("COPY --chown=nosuch Dockerfile /x") },
  { fails: true, only: "classic" },
);

export const CONTEXTS: readonly Context[] = [
  ...CONFIGURATION,
  ...WORKDIR_SLASH,
  ...SYNTAX,
  ...SYNTAX_DIRECTIVE,
  ...RUNS,
  ...ARGS,
  ...COPIES,
  ...COPY_FROM,
  ...UNUSED,
  ...IGNORED,
  ...CORNERS,
  ...BUILDKIT_ONLY,
  ...FAILING,
  ...UNKNOWN_USER,
];
