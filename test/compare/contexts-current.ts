// Contexts of what only today's BuildKit knows: they are built where the reference is one (see compare-build.ts). `http://files/`
// stands for the server of served-files.ts, `{dir}` for the context's own directory.

import type { Context, FileSpec } from "./contexts.ts";

const lines = (...text: string[]): string => `${text.join("\n")}\n`;
const b = (...text: string[]): string => lines("FROM busybox", ...text);

function plain(table: Readonly<Record<string, string>>, more: Partial<Context> = {}): Context[] {
  return Object.entries(table).map(([name, dockerfile]) => ({
    name,
    dockerfile,
    only: "buildkit",
    isCurrent: true,
    ...more,
  }));
}

const HEREDOCS = plain({
  "heredoc run": b("RUN <<EOF", "echo a > /a", "echo b > /b", "EOF"),
  "heredoc run stops at nothing": b("RUN <<EOF", "false", "echo b > /b", "EOF"),
  "heredoc run with variables": b(
    "ARG A=1",
    "ENV B=2",
    "RUN <<EOF",
    'echo "$A-${B}-$$" | cut -c1-4 > /a',
    "EOF",
  ),
  "heredoc run quoted": b("ENV B=2", "RUN <<'EOF'", 'echo "$B \\$B" > /a', "EOF"),
  "heredoc run double quoted": b("ENV B=2", 'RUN <<"EOF"', 'echo "$B \\$B" > /a', "EOF"),
  "heredoc run with tabs": b("RUN <<-EOF", "\techo a > /a", "\t\techo b > /b", "\tEOF"),
  "heredoc run with a command": b("RUN cat <<EOF > /a", "hello $HOME", "  kept", "EOF"),
  "heredoc run several": b("RUN cat <<ONE > /a && cat <<TWO > /b", "one", "ONE", "two", "TWO"),
  "heredoc run several scripts": b("RUN <<ONE cat - <<TWO > /b", "echo one", "ONE", "two", "TWO"),
  "heredoc run by descriptor": b("RUN cat 3<<EOF <&3 > /a", "three", "EOF"),
  "heredoc run with a shebang": b("RUN <<EOF", "#!/bin/sh -e", "echo $0 | cut -c1-5 > /a", "EOF"),
  "heredoc run with another shell": b("RUN <<EOF sh -x", "echo x > /a", "EOF"),
  "heredoc run in its shell": b('SHELL ["/bin/sh", "-ec"]', "RUN <<EOF", "echo $- > /a", "EOF"),
  "heredoc run with mount": b(
    "RUN --mount=type=tmpfs,target=/tmp <<EOF",
    "touch /tmp/x",
    "echo y > /y",
    "EOF",
  ),
  "heredoc run and comments": b(
    "RUN <<EOF",
    "# a comment",
    "echo a > /a",
    "",
    "# more",
    "EOF",
    "# of the file",
    "ENV A=b",
  ),
  "heredoc run with continuation inside": b("RUN <<EOF", "echo a \\", "  b > /a", "EOF"),
  "heredoc copy": b("COPY <<EOF /a", "hello", "EOF"),
  "heredoc copy with variables": b("ENV B=2", "ARG C=3", "COPY <<EOF /a", "$B ${C} ${D:-four} \\$B", "EOF"),
  "heredoc copy quoted": b("ENV B=2", "COPY <<'EOF' /a", "$B \\$B \\\\", "EOF"),
  "heredoc copy with tabs": b("COPY <<-EOF /a", "\thello", "\t  kept", "\tEOF"),
  "heredoc copy into a directory": b("COPY <<one.txt <<two.txt /d/", "1", "one.txt", "2", "two.txt"),
  "heredoc copy with mode and owner": b("COPY --chmod=755 --chown=1000:2000 <<EOF /a", "#!/bin/sh", "EOF"),
  "heredoc copy empty": b("COPY <<EOF /a", "EOF"),
  "heredoc copy quotes and blanks": b("ENV A='x y'", "COPY <<EOF /a", `"$A" '$A'  z`, "EOF"),
  "heredoc add": b("ADD <<EOF /a", "hello", "EOF"),
  "heredoc onbuild run": lines(
    "FROM busybox AS base",
    "ONBUILD RUN <<EOF",
    "echo t > /t",
    "EOF",
    "FROM base",
  ),
  "heredoc onbuild copy": lines("FROM busybox AS base", "ONBUILD COPY <<EOF /t", "hello", "EOF", "FROM base"),
  "heredoc is text elsewhere": b("ENV A=<<EOF", "CMD cat <<EOF"),
});

const HEREDOC_FILES = plain(
  { "heredoc copy with a file": b("COPY a.txt <<EOF /d/", "more", "EOF") },
  { files: { "a.txt": "A\n" } },
);

const TREE: Readonly<Record<string, FileSpec>> = {
  "a.txt": "A\n",
  "b.txt": { content: "B\n", mode: 0o600 },
  "x.sh": { content: "#!/bin/sh\n", mode: 0o755 },
  "dir/c.txt": "C\n",
  "dir/sub/d.txt": "D\n",
  "dir/sub/e.md": "E\n",
  "dir/sub/deep/f.md": "F\n",
  "dir/empty": { isDirectory: true },
  "dir/private": { isDirectory: true, mode: 0o700 },
  "dir/private/g.md": "G\n",
  link: { link: "a.txt" },
};
const tree = (table: Readonly<Record<string, string>>, more: Partial<Context> = {}): Context[] =>
  plain(table, { files: TREE, ...more });

const COPIES = tree({
  "parents file": b("COPY --parents dir/sub/d.txt /o/"),
  "parents glob": b("COPY --parents dir/*/*.md /o/"),
  "parents double star": b("COPY --parents dir/**/*.md /o/"),
  "parents directory": b("COPY --parents dir/sub /o/"),
  "parents pivot": b("COPY --parents ./dir/./sub/d.txt /o/"),
  "parents pivot and glob": b("COPY --parents dir/./**/*.md /o/"),
  "parents of several": b("COPY --parents a.txt dir/c.txt dir/sub /o/"),
  "parents with mode": b("COPY --parents --chmod=700 --chown=5:6 dir/sub/d.txt /o/"),
  "parents from a stage": lines(
    "FROM busybox AS one",
    "RUN mkdir -p -m 750 /x/y && chown 3:4 /x && touch -d @1400000000 /x/y/z",
    "FROM busybox",
    "COPY --from=one --parents /x/y/z /o/",
  ),
  "parents pivot from a stage": lines(
    "FROM busybox AS one",
    "RUN mkdir -p -m 750 /x/y && echo z > /x/y/z",
    "FROM busybox",
    "COPY --from=one --parents /x/./y/z /o/",
  ),
  "parents of a private directory": b("COPY --parents dir/private/g.md /o/"),
  "exclude one": b("COPY --exclude=*.md dir /o/"),
  "exclude deep": b("COPY --exclude=**/*.md dir /o/"),
  "exclude several": b("COPY --exclude=**/*.md --exclude=sub/d.txt dir /o/"),
  "exclude directory": b("COPY --exclude=sub dir /o/"),
  "exclude with exception": b("COPY --exclude=sub --exclude=!sub/d.txt dir /o/"),
  "exclude of a glob": b("COPY --exclude=b.* *.txt /o/"),
  "exclude and parents": b("COPY --parents --exclude=**/*.md dir /o/"),
  "exclude from a stage": lines(
    "FROM busybox AS one",
    "RUN mkdir /x && touch /x/a /x/b",
    "FROM busybox",
    "COPY --from=one --exclude=b /x /o",
  ),
  "exclude of add": b("ADD --exclude=*.txt dir /o/"),
  "exclude with variable": b("ARG E=*.txt", "COPY --exclude=$E dir /o/"),
  "link file": b("COPY --link a.txt /o/"),
  "link directory": b("COPY --link dir /o"),
  "link over existing": b("RUN mkdir -p -m 700 /o && touch /o/old", "COPY --link dir /o/"),
  "link with owner": b("COPY --link --chown=1000:2000 a.txt /o/a"),
  "link in workdir": b("WORKDIR /w", "COPY --link a.txt ."),
  "link and false": b("COPY --link=false a.txt /o/"),
  "add link": b("ADD --link a.txt /o/"),
  "chmod symbolic": b("COPY --chmod=u=rwX,go=rX a.txt x.sh dir /o/"),
  "chmod symbolic adds": b("COPY --chmod=+x a.txt /o/"),
  "chmod symbolic takes": b("COPY --chmod=go-rwx a.txt dir /o/"),
  "chmod symbolic of groups": b("COPY --chmod=a=r,u+w,g=u a.txt /o/"),
  "chmod with special bits": b("COPY --chmod=4755 a.txt /o/"),
  "chmod with variable": b("ARG M=711", "COPY --chmod=$M a.txt /o/"),
  "add chmod": b("ADD --chmod=700 a.txt dir /o/"),
  "chown names of the root": b(
    "RUN echo app:x:77:88::/:/bin/sh >> /etc/passwd",
    "COPY --chown=app a.txt /o/",
  ),
  "chown name and number": b("COPY --chown=dev:7 a.txt /o/"),
  "chown group by name": b("COPY --chown=7:extra a.txt /o/"),
  "chown with variable": b("ARG U=dev", "COPY --chown=$U:$U a.txt /o/"),
  "copy glob with double star": b("COPY dir/**/*.md /o/"),
  "copy times of directories": b("COPY dir /o", "COPY dir/sub /p/"),
  "copy relative to a stage's workdir": lines(
    "FROM busybox AS one",
    "WORKDIR /w",
    "RUN echo x > f",
    "FROM busybox",
    "COPY --from=one w/f /g",
  ),
  "keep git of a local file": b("ADD --keep-git-dir Dockerfile /x"),
  "copy from dot": b("COPY ./ ./o/"),
  "mount bind writable": b("RUN --mount=target=/tmp,rw echo y > /tmp/y && cp /tmp/a.txt /x"),
});

const EXPANSION = plain({
  "modifiers of prefixes": b(
    "ENV X=foobarbaz P=/usr/local/bin/x.tar.gz",
    "ENV A=${X#f*b} B=${X##f*b} C=${X#*a} D=${X##*a} E=${P#*/} F=${P##*/}",
  ),
  "modifiers of suffixes": b(
    "ENV X=foobarbaz P=/usr/local/x.tar.gz",
    "ENV A=${X%b*} B=${X%%b*} C=${P%.*} D=${P%%.*} E=${P%/*} F=${X%zz}",
  ),
  "modifiers that replace": b(
    "ENV X=foobarbaz",
    "ENV A=${X/ba/BA} B=${X//ba/BA} C=${X/ba/} D=${X//b?/-} E=${X//[ao]/_}",
  ),
  "modifiers with variables": b(
    "ENV X=foobar Y=foo Z=fallback",
    "ENV A=${X#$Y} B=${N:-$Z} C=${X/${Y}/${Z}} D=${N:-${M:-$Z}}",
  ),
  "modifiers without colon": b("ENV E=", "ENV A=${E-x} B=${N-x} C=${E+y} D=${N+y} F=${E:-x}"),
  "modifiers that are met": b("ENV X=x", "ENV A=${X:?missing} B=${X?no}"),
  "modifiers escaped": b("ENV X=a/b/c", "ENV A=${X//\\//-} B=${X/\\//}"),
  "modifiers in other instructions": b(
    "ENV V=1.2.3",
    "LABEL v=${V%.*}",
    "WORKDIR /app-${V##*.}",
    "EXPOSE ${V%%.*}",
    "USER ${N:-dev}",
  ),
  "modifiers in from": lines("ARG V=busybox-none", "FROM ${V%-none} AS one", "ENV A=1"),
  "quotes in env": b(`ENV A="it's" B='say "x"' C=a\\"b D="a b"'c d' E='$X' F="\\\\"`),
  "env with blanks in braces": b('ENV A="${N:-a b}" B=${N:-c}'),
  "dollar at the end": b("ENV A=a$ B=$ C=\\$"),
  "single quotes in a default": b("ENV A=${N:-'x y'} B=${N:-\"z\"}"),
});

const SCOPES = [
  ...plain({
    "scope of a global arg with default": lines(
      "ARG A=1",
      "ARG B=${A}2",
      "FROM busybox",
      "ARG A",
      "ARG B",
      "ENV C=$A-$B",
    ),
    "scope of a stage's own default": lines("ARG A=1", "FROM busybox", "ARG A=2", "ENV C=$A"),
    "several args in one": b("ARG A=1 B=2 C", "ENV D=$A$B[$C]"),
    "platform args global": lines(
      "FROM --platform=$BUILDPLATFORM busybox",
      "ARG BUILDPLATFORM TARGETOS TARGETVARIANT",
      "ENV A=$BUILDPLATFORM-$TARGETOS-$TARGETVARIANT",
    ),
    "platform args with defaults": b("ARG TARGETARCH=none", "ENV A=$TARGETARCH"),
    "platform args not asked": b("ENV A=[$TARGETARCH]"),
    "target stage": lines("FROM busybox AS one", "ARG TARGETSTAGE", "ENV A=[$TARGETSTAGE]"),
    "arg in run after env": b("ARG A=1", "ENV A=2", "ARG A=3", "RUN echo $A > /x"),
    "workdir of variables": b("ENV D=w", "WORKDIR /$D", "WORKDIR ${D}2", "WORKDIR ./x/../y", "RUN pwd > /p"),
    "label of several lines": b("LABEL a=1 \\", '  b="two words" \\', "  c='$x'", 'LABEL "d e"="f\\', 'g"'),
    "expose ranges": b("ARG P=7000-7002", "EXPOSE $P 8000-8001/udp 9000/sctp"),
    "volume json": b('VOLUME ["/a", "/b c"]', "VOLUME /d /e"),
    "stopsignal forms": b("STOPSIGNAL 9", "STOPSIGNAL SIGRTMIN+3"),
    "healthcheck with every flag": b(
      "HEALTHCHECK --interval=1m --timeout=2s --start-period=3s --start-interval=4s --retries=5 CMD x y",
    ),
    "healthcheck from the base": lines(
      "FROM busybox AS one",
      "HEALTHCHECK CMD x",
      "FROM one",
      "HEALTHCHECK NONE",
    ),
    "user and group by variable": b("ARG U=1", "ENV G=2", "USER $U:$G"),
    "onbuild with mount": lines(
      "FROM busybox AS base",
      "ONBUILD RUN --mount=type=tmpfs,target=/tmp touch /tmp/x && echo y > /y",
      "FROM base",
    ),
    "onbuild from a stage": lines(
      "FROM busybox AS other",
      "RUN echo o > /o",
      "FROM busybox AS base",
      "ONBUILD COPY --from=other /o /p",
      "FROM base",
    ),
    "escape directive with heredoc": lines(
      "# escape=`",
      "FROM busybox",
      "RUN <<EOF",
      "echo a",
      "echo b > /a",
      "EOF",
      "ENV A=`$x",
    ),
    "check directive": lines("# check=skip=all", "from busybox AS One", "ENV A b", "CMD x"),
    "check directive with error off": lines(
      "# check=skip=JSONArgsRecommended;error=false",
      "FROM busybox",
      "CMD x",
    ),
    "run network none": b("RUN --network=none ip link | grep -c mtu > /x"),
    "run network default": b("RUN --network=default true"),
    "run exec form after shell": b('SHELL ["/bin/sh", "-c"]', 'RUN ["/bin/sh", "-c", "echo $0 > /x"]'),
    "cmd forms with shell": b('SHELL ["/bin/sh", "-ec"]', "CMD a b", "ENTRYPOINT c"),
    "stage names are of any case": lines(
      "FROM busybox AS One",
      "RUN echo x > /x",
      "FROM busybox",
      "COPY --from=oNE /x /y",
    ),
    "scratch with all": lines("FROM scratch", "WORKDIR /a/b", "ENV A=1", "VOLUME /v", "USER 5", "EXPOSE 1"),
    "mount secret that is not there": b("RUN --mount=type=secret,id=s ls /run/secrets > /x 2>&1; true"),
    "mount cache with owner": b(
      "RUN --mount=type=cache,target=/c,uid=5,gid=6,mode=0711 stat -c '%a %u %g' /c > /x",
    ),
    "mount tmpfs with size": b(
      "RUN --mount=type=tmpfs,target=/c,size=1m df /c | tail -1 | awk '{print $2}' > /x",
    ),
    "mount leaves its directory": b(
      "RUN --mount=type=cache,target=/new/deep/c touch /new/deep/c/x",
      "RUN find /new > /l; true",
    ),
    "maintainer with more": b("MAINTAINER A B <a@b.c>", "LABEL a=b"),
    "run security sandbox": b("RUN --security=sandbox grep CapEff /proc/self/status > /x"),
    "capabilities of a step": b("RUN grep -E 'Cap|NoNewPrivs|Seccomp:' /proc/self/status > /x"),
    "limits of a step": b("RUN ulimit -n > /x"),
  }),
  ...plain(
    {
      "platform of the target": lines(
        "FROM --platform=$TARGETPLATFORM busybox",
        "ARG TARGETPLATFORM",
        "ENV A=$TARGETPLATFORM",
      ),
    },
    {
      args: ["--platform", "linux/amd64"],
    },
  ),
  ...plain(
    {
      "secret as a file": b(
        "RUN --mount=type=secret,id=s cat /run/secrets/s > /x && stat -c '%a %u %g' /run/secrets/s > /y",
      ),
      "secret as a variable": b("RUN --mount=type=secret,id=s,env=S echo $S > /x"),
      "secret with target and mode": b(
        "RUN --mount=type=secret,id=s,target=/t,mode=0444,uid=3,required stat -c '%a %u %g' /t > /y",
      ),
    },
    {
      args: ["--secret", "id=s,src={dir}/secret.txt"],
      files: { "secret.txt": "hush\n" },
    },
  ),
  ...plain(
    {
      "named context": lines(
        "FROM busybox",
        "COPY --from=lib a.txt /a",
        "RUN --mount=from=lib,target=/l cp /l/sub/b /b",
      ),
    },
    {
      args: ["--build-context", "lib={dir}/lib"],
      files: { "lib/a.txt": "A\n", "lib/sub/b": "B\n" },
    },
  ),
  ...plain(
    {
      "named context instead of a stage": lines(
        "FROM busybox AS lib",
        "RUN echo never > /a.txt",
        "FROM busybox",
        "COPY --from=lib a.txt /a",
      ),
    },
    {
      args: ["--build-context", "lib={dir}/lib"],
      files: { "lib/a.txt": "A\n" },
    },
  ),
  ...plain(
    { "dockerignore of a dockerfile": "FROM nothing\n" },
    {
      args: ["-f", "{dir}/sub/Other"],
      files: {
        "sub/Other": b("COPY . /all"),
        "sub/Other.dockerignore": "b\n",
        ".dockerignore": "a\n",
        a: "A",
        b: "B",
      },
    },
  ),
  ...plain(
    { "source date epoch": b("RUN echo x > /x", "COPY Dockerfile /") },
    { args: ["--build-arg", "SOURCE_DATE_EPOCH=1400000000"] },
  ),
  ...plain(
    { "multi-platform arg": b("ARG BUILDKIT_MULTI_PLATFORM", "ENV A=b") },
    { args: ["--build-arg", "BUILDKIT_INLINE_CACHE=1"] },
  ),
  ...plain({ "unused build-arg": b("ENV A=b") }, { args: ["--build-arg", "NOBODY=1"] }),
  ...plain({ "add host": b("RUN grep other /etc/hosts > /x") }, { args: ["--add-host", "other:10.1.2.3"] }),
  ...plain(
    { "shm size and ulimits": b("RUN ulimit -n > /x; df /dev/shm | tail -1 | awk '{print $2}' > /y") },
    { args: ["--shm-size", "8m", "--ulimit", "nofile=700:800"] },
  ),
];

const ARCHIVES = plain(
  {
    "add unpacks gzip": b("ADD files.tar.gz /o/"),
    "add unpacks to a file's name": b("ADD files.tar.gz /o"),
    "add unpacks several": b("ADD files.tar files.tar.gz /o/"),
    "add unpacks plain, bzip2, xz and zstd": b(
      "ADD files.tar /a/",
      "ADD files.tar.bz2 /b/",
      "ADD files.tar.xz /c/",
      "ADD files.tar.zst /d/",
    ),
    "add does not unpack": b("ADD --unpack=false files.tar.gz /o/"),
    "add unpacks when told": b("ADD --unpack=true files.tar.gz /o/"),
    "add unpacks with owner": b("ADD --chown=5:6 files.tar /o/"),
    "add unpacks with mode": b("ADD --chmod=700 files.tar /o/"),
    "add unpacks over files": b(
      "RUN mkdir -p /o/d && echo old > /o/d/f && echo mine > /o/mine",
      "ADD files.tar /o/",
    ),
    "add unpacks a renamed archive": b("ADD odd.name /o/"),
    "copy does not unpack": b("COPY files.tar.gz /o/"),
    "add of what is no archive": b("ADD not.tar.gz /o/"),
    "add unpacks with link": b("ADD --link files.tar.gz /o/"),
  },
  { hasArchives: true, files: { "not.tar.gz": "not an archive\n" } },
);

const SERVED = plain(
  {
    "add of an address": b("ADD http://files/plain.txt /o/"),
    "add of an address to a name": b("ADD http://files/plain.txt /o/name"),
    "add of an address with mode and owner": b("ADD --chmod=640 --chown=5:6 http://files/plain.txt /o/"),
    "add of an address with its checksum": b(
      "ADD --checksum=sha256:{sha256 plain.txt} http://files/plain.txt /o/",
    ),
    "add of an archive's address": b("ADD http://files/files.tar.gz /o/"),
    "add unpacks an archive's address": b("ADD --unpack=true http://files/files.tar.gz /o/"),
    "add of a redirected address": b("ADD http://files/redirect/plain.txt /o/"),
    "add of a named download": b("ADD http://files/named/x /o/"),
    "add of a file of a time": b("ADD http://files/dated/plain.txt /o/"),
    "add of a repository": b("ADD http://files/app.git /o/"),
    "add of a repository's branch": b("ADD http://files/app.git#next /o/"),
    "add of a repository's tag": b("ADD http://files/app.git#v1 /o/"),
    "add of a repository's directory": b("ADD http://files/app.git#main:part /o/"),
    "add of a repository by query": b("ADD http://files/app.git?branch=next&subdir=part /o/"),
    "add of a repository by tag query": b("ADD http://files/app.git?tag=v1 /o/"),
    "add of a repository's commit": b("ADD http://files/app.git#{commit} /o/"),
    "add of a repository with mode and owner": b("ADD --chown=5:6 --chmod=750 http://files/app.git /o/"),
    "add of a repository with its checksum": b("ADD --checksum={commit} http://files/app.git#main /o/"),
  },
  { isServed: true },
);

/** The repository's own directory holds what git wrote of this clone: the branch's state is compared, not its files. */
const KEPT_GIT = plain(
  {
    "add of a repository keeps its git": b(
      "ADD --keep-git-dir=true http://files/app.git#main /o/",
      "RUN cat /o/.git/HEAD > /head && rm -r /o/.git",
    ),
    "add of a repository's tag keeps its git": b(
      "ADD --keep-git-dir=true http://files/app.git#v1 /o/",
      "RUN cat /o/.git/HEAD > /head && rm -r /o/.git",
    ),
  },
  { isServed: true },
);

const CONTEXT_SOURCES: Context[] = [
  { name: "context of a repository", context: "http://files/app.git" },
  { name: "context of a repository's directory", context: "http://files/app.git#main:part" },
  { name: "context of a repository's tag", context: "http://files/app.git#v1" },
  { name: "context of an archive's address", context: "http://files/context.tar.gz" },
].map((c) => ({
  ...c,
  dockerfile: "FROM nothing\n",
  only: "buildkit" as const,
  isCurrent: true,
  isServed: true,
}));

const FAILING = [
  ...plain(
    {
      "heredoc without end": b("RUN <<EOF", "echo a"),
      "heredoc of a directory": b("COPY <<EOF", "x", "EOF"),
      "modifier that is not met": b("ENV A=${N:?missing}"),
      "unknown modifier": b("ENV A=${N^^}"),
      "unknown mount type": b("RUN --mount=type=nope,target=/x true"),
      "mount without target": b("RUN --mount=type=cache true"),
      "required secret": b("RUN --mount=type=secret,id=s,required true"),
      "unknown network": b("RUN --network=other true"),
      "security insecure": b("RUN --security=insecure true"),
      "chmod nonsense": b("COPY --chmod=9x Dockerfile /x"),
      "checksum of a local file": b("ADD --checksum=sha256:00 Dockerfile /x"),
      "add parents": b("ADD --parents Dockerfile /o/"),
      "copy unpack": b("COPY --unpack Dockerfile /x"),
      "circular stages": lines("FROM two AS one", "FROM one AS two", "FROM busybox", "COPY --from=two / /x"),
      "copy from itself": lines("FROM busybox AS one", "COPY --from=one /a /b"),
      "stage twice": lines("FROM busybox AS one", "FROM busybox AS one", "FROM nowhere.invalid/x"),
      "workdir empty": b("WORKDIR"),
      "check with error": lines("# check=error=true", "FROM busybox", "CMD x"),
      "entrypoint flag": b("ENTRYPOINT --x y"),
      "label without value": b("LABEL a"),
      "device that is not there": b("RUN --device=vendor.com/class=x,required true"),
      "unknown platform": lines("FROM --platform=a/b/c/d busybox", "ENV A=b"),
      "exclude nonsense": b("COPY --exclude=[ Dockerfile /x"),
      "several sources to a file": b("COPY Dockerfile a /x"),
      "onbuild from": b("ONBUILD FROM x"),
      "onbuild maintainer": b("ONBUILD MAINTAINER x"),
      "stopsignal nonsense": b("STOPSIGNAL NOPE"),
      "volume blank": b('VOLUME [""]'),
    },
    { fails: true },
  ),
  ...plain(
    {
      "add of a wrong checksum": b(
        "ADD --checksum=sha256:0000000000000000000000000000000000000000000000000000000000000000 http://files/plain.txt /o/",
      ),
      "add of an address that is not there": b("ADD http://files/nothing /o/"),
      "add of a branch that is not there": b("ADD http://files/app.git#nothing /o/"),
      "add of a directory that is not there": b("ADD http://files/app.git#main:nothing /o/"),
    },
    { fails: true, isServed: true },
  ),
];

export const CURRENT_CONTEXTS: readonly Context[] = [
  ...HEREDOCS,
  ...HEREDOC_FILES,
  ...COPIES,
  ...EXPANSION,
  ...SCOPES,
  ...ARCHIVES,
  ...SERVED,
  ...KEPT_GIT,
  ...CONTEXT_SOURCES,
  ...FAILING,
];
