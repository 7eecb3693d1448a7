#!/bin/sh
# A day of the docker command line's: $1 is the port to publish on, $2 a directory of its own. Prints what every command printed and its exit
# status. What differs between two runs (identifiers, times, sizes) is not asked for or cut out, and so is what the engine of Debian words
# otherwise than the current one.
port=$1
cd "$2" || exit 1

# Says a command, what it printed and how it ended.
say() {
  echo "\$ $*"
  "$@" 2>&1
  echo "= $?"
}
quiet() { say "$@" | sed -E 's/\b(sha256:)?[0-9a-f]{64}\b/ID/g; s/\b[0-9a-f]{12}\b/ID/g'; }
page() { until curl -s --max-time 5 "http://127.0.0.1:$port/"; do sleep 0.1; done; }

echo "# run"
say docker run --rm busybox echo hello
say docker run --rm busybox sh -c 'echo bad >&2; exit 4'
say docker run --rm busybox nothing | sed 's/daemon: .* exec:/daemon: exec:/'
say docker run --rm -w /tmp -e A=b -u dev busybox sh -c 'pwd; echo $A; id -un'
echo input | say docker run --rm -i busybox cat
quiet docker run -d --name web -p "$port:80" --label by=docker -v data:/www --memory 64m --health-cmd 'wget -qO- http://127.0.0.1/' \
  --health-interval 200ms busybox sh -c 'echo page > /www/index.html; echo ready; exec httpd -f -v -h /www'
say page
say docker run --name web busybox true | sed -E 's/"[0-9a-f]{64}"/ID/'

echo "# look"
say docker ps --format '{{.Names}} {{.Image}} {{.Ports}} {{.Labels}} {{.Mounts}} {{.Networks}} {{.Size}}' | sed -E 's/ [0-9.]+[kM]?B \(virtual.*//'
say docker ps -a -q --filter name=nobody
say docker port web
say docker inspect -f '{{.State.Status}} {{.HostConfig.Memory}} {{json .HostConfig.PortBindings}} {{json .Config.Labels}} {{range .Mounts}}{{.Name}} {{.Destination}} {{.RW}}{{end}}' web
say docker inspect nobody
say docker top web -o comm,args
say docker stats --no-stream --format '{{.Name}} {{.MemUsage}}' web | sed -E 's/ [0-9.]+[KM]?iB \// USAGE \//'
say docker run --name said busybox sh -c 'echo one; echo two; echo three'
say docker logs --tail 2 said
say docker rm said
say docker logs nobody

echo "# inside"
say docker exec -e B=c -w /www web sh -c 'cat index.html; echo $B; exit 5'
echo typed | say docker exec -i web cat
say docker exec web nothing | sed -E 's/.*exec failed/exec failed/; s/^= 12[67]$/= 126 or 127/'
echo text > note
say docker cp -q note web:/tmp/
say docker cp web:/tmp/note - | tar -xO
say docker cp web:/nowhere . | sed -E 's/container:?[a-z0-9]+:?/CONTAINER/'
say docker diff web | LC_ALL=C sort

echo "# change"
say docker pause web
say docker exec web true | sed -E 's/[0-9a-f]{64}/ID/'
say docker unpause web
say docker update --memory 128m --memory-swap 256m web
say docker rename web site
say docker restart -t 0 site
say page
quiet docker network create --label by=docker net
say docker network connect --alias store net site
say docker run --rm --network net busybox wget -qO- http://store/
say docker network inspect -f '{{.Driver}} {{.Labels}} {{range .Containers}}{{.Name}}{{end}}' net
say docker network rm net | sed -E 's/ id [0-9a-f]{64}//; s/ endpoint.*//'
say docker network disconnect net site
say docker network rm net
say docker volume ls --format '{{.Driver}} {{.Name}}'
say docker volume rm data | sed -E 's/[0-9a-f]{64}/ID/g'

echo "# images"
printf 'FROM busybox\nARG WORD\nRUN echo $WORD > /word\nLABEL by=docker\nCMD ["cat", "/word"]\n' > Dockerfile
quiet docker build -q -t made:1 --build-arg WORD=argued .
say docker run --rm made:1
quiet docker commit -m said -c 'ENV A=b' site made:2
say docker tag made:2 spare:2
say docker images --format '{{.Repository}}:{{.Tag}}' --filter label=by=docker | LC_ALL=C sort
say docker image inspect -f '{{.Config.Env}} {{.Comment}}' made:2
say docker history --format '{{.CreatedBy}}' made:1 | head -4
say docker save -o made.tar made:1
say docker rmi spare:2
quiet docker rmi made:1 | sort | uniq | grep -v '^Deleted'
say docker load -i made.tar
say docker rmi busybox:nothing
say docker rmi busybox | sed -E 's/[0-9a-f]{12}/ID/g'

echo "# the end"
quiet docker run -d --name long busybox sleep 600
say docker kill -s INT nobody | sed 's/Cannot kill/cannot kill/'
say docker kill long
say docker wait long
say docker start nobody
say docker rm site | sed 's/daemon: .*/daemon: it runs/'
say docker stop -t 0 site
say docker ps -a --format '{{.Names}} {{.State}}'
now=$(date -u +%FT%T.%NZ)
say docker events --since "$(docker inspect -f '{{.Created}}' long)" --until "$now" --filter container=long \
  --format '{{.Type}} {{.Action}} {{.Actor.Attributes.name}}' | sed -E 's/[0-9T:.-]{20,}Z/TIME/g'
say docker rm -v site long
say docker volume rm data
say docker rmi made:1 made:2 | grep -v '^Deleted'
say docker system df --format '{{.Type}} {{.TotalCount}}' | head -3
