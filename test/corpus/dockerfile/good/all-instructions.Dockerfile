# syntax=docker/dockerfile:1
# escape=\
ARG VERSION=bookworm
FROM --platform=linux/amd64 debian:${VERSION} AS Build
MAINTAINER Ann <ann@example.org>
ENV A=1 B="two words" C='$literal'
ENV OLD form with spaces
ARG NAME
ARG X=1 Y=2
LABEL org.example.a=b "key with space"=c
WORKDIR /srv/app
RUN apt-get update && apt-get install -y nginx
RUN ["echo", "exec", "form"]
RUN --network=none --mount=type=cache,target=/c true
COPY --chown=web:web --chmod=0644 --link a b /dst/
COPY --from=Build --exclude=*.md --exclude=x /src /dst
COPY ["with space", "/dst dir/"]
ADD --checksum=sha256:0000000000000000000000000000000000000000000000000000000000000000 https://example.org/f /f
ADD --unpack=true a.tar /x
EXPOSE 443 80/udp 8000-8010
VOLUME /data "/not json"
VOLUME ["/a", "/b"]
USER web:web
STOPSIGNAL SIGQUIT
SHELL ["/bin/bash", "-c"]
HEALTHCHECK --interval=1m30s --timeout=500ms --start-period=5s --start-interval=1s --retries=3 CMD curl -f http://localhost/
HEALTHCHECK NONE
HEALTHCHECK CMD ["ok"]
ONBUILD COPY . /app
ENTRYPOINT ["nginx", "-g", "daemon off;"]
CMD echo $A
