// Command lines whose output must be Docker's, byte for byte. `%CTX` is a build context of one Dockerfile, with files for other
// flags beside it; `%EMPTY` is an empty word.

export interface Case {
  readonly args: readonly string[];
  readonly stdin?: string;
}

const lines = `ps
ps -a
ps -q
ps -a -q --no-trunc
ps -a --no-trunc
ps -s
ps -a --size --format table
ps -a --format {{.ID}}:{{.Names}}:{{.Image}}:{{.State}}
ps --filter label=fixed --format json
ps --format {{json\u00a0.Names}}\u00a0{{.Label\u00a0"com.example.tier"}}\u00a0{{.Labels}}\u00a0{{.Mounts}}\u00a0{{.LocalVolumes}}\u00a0{{.Networks}}\u00a0{{.Size}}
ps --format table\u00a0{{.ID}}\\t{{.Label\u00a0"com.example.tier"}}\\t{{upper\u00a0.Names}}
ps --filter label=fixed --format {{.CreatedAt}}|{{.Command}}|{{.Platform}}
ps --filter label=fixed --format {{json\u00a0.Ports}}
ps --filter label=fixed --format raw
ps -a --format table
ps --filter nothing=1
ps --filter nothing=1 --format json
ps --filter bad
ps --format {{.Foo}}
ps --format {{.ID
ps --format {{.ID.Foo}}
ps --format table\u00a0{{.Foo}}
ps -q --format {{.Names}}
ps --foo
ps -z
ps x
ps -n x
ps -n
ps --all=maybe
ps --=x
ps -l -n 3
container ls
container list -q
container ps -q
images
images -q
images --no-trunc
images --digests
images --format {{.Repository}}:{{.Tag}}\u00a0{{.ID}}\u00a0{{.Digest}}\u00a0{{.Size}}\u00a0{{.VirtualSize}}\u00a0{{.SharedSize}}\u00a0{{.UniqueSize}}\u00a0{{.Containers}}
images --format raw -q
images --filter nothing=1
images history --filter nothing=1
images a b
image ls -q
image inspect nginx:1.27
image inspect -f {{.Config.Env}}\u00a0{{.RootFS.Layers}}\u00a0{{.Os}} nginx
image inspect nope
history nginx
history --no-trunc --format {{.ID}}|{{.CreatedBy}}|{{.Size}}|{{.Comment}} nginx
history -q nginx
history --human=false --format {{.Size}} nginx
inspect web
inspect -f json web
inspect -f {{.Name}} web
inspect -f {{.State.Status}}-{{.State.Pid}} web
inspect -f {{json\u00a0.Config.Labels}} web
inspect -f {{json\u00a0.Config.Env}} web
inspect -f {{.NetworkSettings.Ports}} web
inspect -f {{range\u00a0$p,\u00a0$c\u00a0:=\u00a0.NetworkSettings.Ports}}{{$p}}={{len\u00a0$c}};{{end}} web
inspect -f {{(index\u00a0(index\u00a0.NetworkSettings.Ports\u00a0"80/tcp")\u00a00).HostPort}} web
inspect -f {{index\u00a0.Config.Labels\u00a0"maintainer"}}|{{index\u00a0.Config.Labels\u00a0"nope"}}| web
inspect -f {{.HostConfig.Memory}}\u00a0{{.HostConfig.NanoCpus}}\u00a0{{.HostConfig.RestartPolicy.Name}} web
inspect -f {{.Config.Cmd}}\u00a0{{.Args}}\u00a0{{.Mounts}} web
inspect -f {{.Config.Healthcheck}}|{{.Config.OnBuild}}|{{.Config.Volumes}}|{{.Config.Entrypoint}} web
inspect -f {{.State.Health.Status}} web
inspect -f {{.Id}}\u00a0{{.Created}} web
inspect -f {{.Nope}} web
inspect -f {{.State.Nope.X}} web
inspect -f {{.Foo web
inspect -f {{range\u00a0.NetworkSettings.Networks}}{{.IPAddress}}{{end}} web
inspect -f {{.NetworkSettings.Networks.bridge.Gateway}} web
inspect nope
inspect web nope
inspect -f {{.Name}} nope
inspect --type foo web
inspect --type image nginx:1.27 -f {{.Id}}
inspect --type image web
inspect --type container nope
inspect bridge -f {{.Created}}\u00a0{{.IPAM.Config}}\u00a0{{.Labels}}
inspect data -f {{.Mountpoint}}
inspect
container inspect web -f {{.Name}}
container inspect nope
network inspect bridge -f {{.Name}}\u00a0{{.Driver}}\u00a0{{(index\u00a0.IPAM.Config\u00a00).Subnet}}
network inspect nope
volume inspect data -f {{.Name}}\u00a0{{.Driver}}\u00a0{{.Labels}}\u00a0{{.Options}}
volume inspect data
volume inspect nope
network ls
network ls -q
network ls --no-trunc -q
network ls --format json
network ls --format {{.Name}}\u00a0{{.IPv6}}\u00a0{{.Internal}}\u00a0{{.CreatedAt}}\u00a0{{.Label\u00a0"one"}}
network ls --format raw
network list -q
network create
network create --subnet 10.0.0.0/8 --gateway 11.0.0.1 n
network create --gateway 10.0.0.1 n
network create --subnet bad n
network create --subnet 10.0.0.0/8 --subnet 10.1.0.0/16 n
network create -d bridge --subnet 10.0.0.0/24 --gateway 10.0.0.1 --label a=b n
network rm bridge nope
network rm -f nope
network prune -f
volume ls
volume ls -q
volume ls --format {{.Name}}\u00a0{{.Driver}}\u00a0{{.Mountpoint}}\u00a0{{.Labels}}\u00a0{{.Links}}\u00a0{{.Size}}
volume ls --format json
volume create a b
volume create --label x=y data
volume rm data nope
volume prune -f
volume prune -f --all
container prune -f
image prune -f
image prune -a -f
builder prune -f
system prune -f
system prune -a -f --volumes
system prune --volumes --filter until=1h
system df
system df -v
system df --format json
system df --format {{.Type}}:{{.Size}}
top web
top web -ef
logs web
logs nope
logs --since nonsense web
logs
diff web
port web
port web 80
port web 80/tcp
port web 81
port web x
port nope
events --until 1704164650
events --until 1704164650 --format json
events --until 1704164650 --format {{.Type}}/{{.Action}}/{{.Actor.ID}}
events --format {{.Foo
events --format {{.Foo}}
stop web
stop web nope
stop -t 3 web
stop --time 3 web
stop --time 3 -t 3 web
stop
kill web nope
kill -s HUP web
restart web
pause web nope
unpause web
rm web
rm -f nope
rm nope web
rm -fv web
wait web nope
rename web
rename web x
rename nope x
start web
start web nope
start -a web nope
update web
update --memory 1x web
tag nginx:1.27 mine:v1
tag nginx:1.27 BAD
tag nginx
rmi nginx
rmi nope
rmi -f nope
rmi
pull nginx:1.27
pull nginx
pull -q nginx
pull private/x
pull -a nginx:1
pull BAD
push reg.example/app
push -a reg.example/app:v1
load -i nope
import nope
create nginx
create warned
create --name web conflict
create --pull bad nginx
create private/x
create -p abc nginx
run
run -d conflict
run -d noexec
run -d noaccess
run -d private/x
run --foo x
run -z x
run -e
run --env
run -m abc x
run --memory-swap=-1x x
run --cpus x x
run --cpus 0.0000000001 x
run --tty=x x
run --stop-timeout x x
run -p abc x
run -p 80:80:80:80 x
run -p 99999:80 x
run -p 80/foo x
run -p 1.2.3:80:80 x
run -p 80-81:80-82 x
run -p : x
run -p target=80,x x
run --expose 80:80 x
run --expose abc x
run -v abc:bcd:cde:def x
run -v :abc x
run -v abc: x
run -e =x x
run --env-file /nope x
run -l =x x
run --label-file /nope x
run --add-host x x
run --add-host x:y x
run --dns x x
run --dns-search @ x
run --link a:b:c x
run --device x x
run --device /dev/x:/dev/y:zz x
run --device-cgroup-rule x x
run --device-read-bps x x
run --device-read-bps /dev/sda:x x
run --device-read-iops /dev/sda:-1 x
run --blkio-weight x x
run --blkio-weight 70000 x
run --blkio-weight-device /dev/sda:5 x
run --ulimit x x
run --ulimit foo=1 x
run --ulimit nofile=2:1 x
run --ulimit nofile=a x
run --sysctl a=b x
run --restart on-failure:x x
run --restart :1 x
run --rm --restart always x
run --mount x x
run --mount type=bind x
run --mount type=bind,target=/x,volume-nocopy=true x
run --mount type=tmpfs,target=/x,tmpfs-size=z x
run --mount target=/x,foo=bar x
run --network name=a,foo=b x
run --network a --network bridge x
run --network-alias a x
run --mac-address zz x
run --security-opt foo x
run --security-opt seccomp=/nope x
run --storage-opt x x
run --log-driver none --log-opt a=b x
run --pid foo x
run --uts foo x
run --userns foo x
run --cgroupns foo x
run --memory-swappiness 101 x
run --health-interval 5 x
run --health-interval=-1s x
run --no-healthcheck --health-cmd x x
run --gpus foo x
run -a foo x
run -d -a stdin x
run --pull bad x
run -it x
run BAD
run --cidfile /proc/self/mounts x
run --platform a/b/c/d x
run --platform li\u00a0nux x
run --platform linux/am\u00a0d64 x
run --platform nosuch x
run --env-file %CTX/blank x
run --env-file %CTX/noname x
run --env-file %CTX/latin x
run --env-file %CTX x
run --label-file %CTX/blank x
run -l a\u00a0b=c x
run -l %EMPTY x
run -e %EMPTY x
run --security-opt seccomp=%CTX/broken.json x
run --security-opt seccomp=%CTX/empty x
run --security-opt seccomp= x
create --security-opt no-new-privileges: x
run --cpu-count 1 x
run --cpu-percent 1 x
run --io-maxiops 1 x
run --io-maxbandwidth 1m x
run --cpus 1e-10 x
run --cpus 1/3 x
run --cpus 1/x x
run --ulimit nofile=1:2:3 x
run --ulimit nofile=-1:5 x
run --ulimit nofile= x
run --shm-size x x
run --shm-size=-1 x
run --device a:b:c:d x
run --device /dev/x:rel x
run --device-write-bps sda:1m x
run --device-write-iops /dev/sda:1k x
run --blkio-weight-device /dev/sda x
run --oom-score-adj x x
run --pids-limit x x
run --kernel-memory x x
run --sysctl nothing x
run --dns-search a..b x
run --add-host a:1.2.3 x
run --add-host =1.2.3.4 x
run --pid container: x
run --pid private x
run --uts private x
create --ipc foo x
run --restart on-failure:1.5 x
run --rm --restart on-failure:3 x
create --rm --restart no x
run --gpus count=1,count=2 x
run --gpus device=0,foo x
run --gpus count=x x
run --memory-swap x x
run --memory-swappiness x x
run --cpu-shares 1x x
run --stop-timeout 1.5 x
run --health-retries -1 x
run --health-timeout=-1ms x
run --health-start-period=-1s x
run --no-healthcheck --health-retries 3 x
create --log-opt x x
run --init=maybe x
run --detach=2 x
run --name
run --user
run -im 5z x
run --no-such=1 x
create --no-such x
create -z x
create
create --cidfile /nope/x nginx
update --cpus x web
update --restart on-failure:x web
update --restart :3 web
update --blkio-weight 70000 web
update --pids-limit x web
update --kernel-memory 5m web
update
update --nope web
exec
exec web
exec nope true
exec -it web true
cp
cp a b
cp a:b c:d
cp nope:/a /tmp
container foo
container ls x
container --foo
network foo
image foo bar
foo
--foo
-x
-H
-H foo://x ps
-H tcp://127.0.0.1:1 ps
-l foo ps
version x
version -f {{.Server.Version}}\u00a0{{.Server.APIVersion}}\u00a0{{.Server.Os}}
version -f {{.Foo}}
version -f {{.Foo
info -f {{.Containers}}\u00a0{{.Driver}}\u00a0{{.ServerVersion}}\u00a0{{.Swarm.LocalNodeState}}
info -f {{.Plugins.Network}}\u00a0{{.SecurityOptions}}
info -f {{.Nope}}
login a b
login
search
build /nope
build %CTX/empty
build -f /nope %CTX
build -f %CTX/Dockerfile %CTX
build %CTX
build -q %CTX
build --target fail %CTX
build -t BAD %CTX
build
build a b
create -it --rm --name web -h box --domainname d -u 1:2 -w /w -e A=1 -e B= --label x=y --entrypoint /e nginx:1.27 a -b --c
create -p 80 -p 8080:80 -p 127.0.0.1:53:53/udp -p [::1]:90:90 -p 7000-7002:7000-7002 -p 9000-9002:9000 -p 1.2.3.4::5 --expose 99 --expose 100-102/udp -P nginx
create -v /a:/b -v named:/c:ro -v /anon -v ./rel:/d --tmpfs /t:size=1m --tmpfs /u --volumes-from o:ro --volume-driver nfs nginx
create --mount type=bind,src=/a,dst=/b,readonly,bind-propagation=rslave --mount type=volume,source=v,target=/v,volume-opt=o=x,volume-label=l=1,volume-nocopy,volume-subpath=s --mount type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=1770 nginx
create --mount type=bind,src=/a,dst=/b,bind-recursive=disabled --mount type=image,src=i,dst=/i,image-subpath=x --mount target=/y nginx
create -m 512m --memory-swap -1 --memory-reservation 1g --memory-swappiness 10 --cpus 1.5 -c 512 --cpuset-cpus 0,1 --cpuset-mems 0 --cpu-period 1000 --cpu-quota 500 --cpu-rt-period 5 --cpu-rt-runtime 4 --pids-limit 100 --oom-kill-disable --oom-score-adj 5 --shm-size 64m nginx
create --blkio-weight 100 --blkio-weight-device /dev/sda:200 --device-read-bps /dev/sda:1mb --device-write-iops /dev/sda:10 --device /dev/fuse --device /dev/a:/dev/b:r --device /dev/c:rw --device vendor.com/class=name --device-cgroup-rule c\u00a01:3\u00a0rwm nginx
create --cap-add NET_ADMIN --cap-drop ALL --privileged --security-opt no-new-privileges --security-opt label=disable --security-opt seccomp=unconfined --security-opt systempaths=unconfined --read-only --init --userns host --cgroupns private --ipc host --pid host --uts host --isolation x --runtime r --cgroup-parent /p --group-add 5 nginx
create --network mynet --network-alias web --ip 10.0.0.5 --ip6 ::5 --link-local-ip 169.254.1.1 --mac-address 92:d0:c6:0a:29:33 --link db:d nginx
create --network name=a,alias=x,ip=10.0.0.2,driver-opt=k=v,gw-priority=5 --network name=b,mac-address=92:d0:c6:0a:29:33 nginx
create --network host --dns 8.8.8.8 --dns-search example.com --dns-option ndots:1 --add-host a:1.2.3.4 --add-host b=host-gateway --add-host c=[::1] --link db nginx
create --restart on-failure:3 --stop-signal SIGINT --stop-timeout 5 --health-cmd true --health-interval 1m30s --health-retries 3 --health-start-period 5s --health-timeout 1s --log-driver local --log-opt a=b --storage-opt size=1G --ulimit nofile=1024:2048 --ulimit core=-1 --sysctl net.ipv4.ip_forward=1 --annotation k=v nginx
create --no-healthcheck --gpus all --stop-timeout 0 --init=false --entrypoint= nginx
create --gpus device=0 --gpus driver=nvidia,count=2,capabilities=utility nginx
create -a stdout -a stdin --env-file %CTX/env --label-file %CTX/env nginx
create --platform linux/arm64 --pull always nginx
create --cpus 15e-1 -h box --uts host --ipc shareable --pid container:x --runtime runc --annotation a nginx
create --device /dev/net:rw --device /dev/a:/dev/b --device-cgroup-rule a\u00a0*:*\u00a0m --device-read-iops /dev/sda:5 --device-write-bps /dev/sda:5kb nginx
create --ulimit nofile=5 --ulimit nofile=6:7 --ulimit memlock=-1:-1 --memory-swap 0 --pids-limit -1 --oom-score-adj=-5 nginx
create --add-host a=::1 --add-host b:2001:db8::1 --dns ::1 --dns-search . --dns-opt y nginx
create --security-opt seccomp=%CTX/profile.json --security-opt label:disable --security-opt apparmor=web --cap-add cap_chown --cap-add CHOWN --cap-drop all nginx
create --use-api-socket -e DOCKER_CONFIG=/x nginx
create --restart always --restart no --stop-signal 9 --isolation default --storage-opt size=1 --env A --label a= --workdir /a/../b nginx
kill web
kill -s 9 web
stop -t 0 web
stop -s HUP web
restart -t 5 web
rm -f -v web
rm -l web
update --cpus 2 -m 1g --memory-swap 2g --restart always --pids-limit 5 web
update --cpu-shares 5 --cpuset-cpus 0 --blkio-weight 10 web
rename web new
wait web
logs -t -n 5 --details --since 2024-01-02T03:04:05Z web
network create --internal --attachable --ipv6 -o a=b --ipam-driver x --ipam-opt c=d --subnet 10.0.0.0/24 --ip-range 10.0.0.128/25 --aux-address h=10.0.0.5 n
network create --ipv4=false --scope local --config-only --ingress n
network connect --ip 10.0.0.2 --alias a,b --link x:y --driver-opt k=v --gw-priority 3 bridge web
network disconnect -f bridge web
volume create -d nfs -o type=nfs -o o=addr=1.2.3.4 data
volume rm -f data
commit -m msg -a me -c CMD\u00a0x -p=false web repo:tag
tag nginx localhost:5000/x/y
rmi -f --no-prune nginx
pull --platform linux/arm64 nginx@sha256:0000000000000000000000000000000000000000000000000000000000000001
push localhost:5000/app
image prune -a -f --filter label=x --filter until=24h
system prune -f --filter label=x
volume prune -a -f --filter label!=keep
events --since 2024-01-02T03:04:05Z --until 1704164650 --filter type=container --filter event=start --filter event=stop
build -t a:b -t c --build-arg X=1 --build-arg HTTP_PROXY --label l=1 --no-cache --pull --network host --platform linux/amd64 --add-host h:1.2.3.4 --cache-from a,b --target t -m 1g --memory-swap -1 --cpu-shares 5 --cpuset-cpus 0 --shm-size 1m --ulimit nofile=5 --security-opt a=b --force-rm --rm=false --isolation x --cgroup-parent p %CTX
context show
bogus
bogus --foo
bogus -Z x
bogus -D
image unknown
image unknown --foo
image unknown -D x
image help
help bogus ls
help image unknown
help image ls x
help ps x
-c nope ps
-c nope version
-c nope info
-c nope context show
--tls ps
--tlsverify ps
--tlscacert /nope ps
-H x -c y ps
context use foo
context use x
context use %EMPTY
context create
context create a/b
context create default
context create abc --docker nokey
context create abc --docker foo=1
context create abc --docker host=foo
context create abc --docker host=tcp://x,skip-tls-verify=maybe
context create abc --docker host=tcp://x,ca=%CTX/none
context create abc --from none
context create abc --from none --docker host=x
context update none
context update default
context rm
context rm default nope
context rm nope
context export none -
context export a b c
context import abc %CTX/none
context inspect none
manifest create
manifest create UP nginx
manifest create localhost:5000/l UP
manifest annotate UP nginx
manifest annotate nginx UP
manifest annotate nginx nginx:1
manifest inspect a b c
manifest inspect UP
manifest inspect a b
manifest push
manifest push nginx
manifest push UP
manifest rm
manifest rm a UP
context ls -q
context ls --format table\u00a0{{.Name}}{{if\u00a0.Current}}*{{end}}\t{{.Description}}
context ls --format table\u00a0{{.Name}}\t{{.Current}}
plugin ls
plugin list --no-trunc
plugin ls -q
plugin ls --filter nothing=1
plugin ls --format json
plugin ls --format {{.Name}}|{{.Enabled}}|{{.PluginReference}}|{{.Description}}
plugin inspect shelf
plugin inspect -f {{.Enabled}}\u00a0{{.Config.Interface.Types}}\u00a0{{json\u00a0.Settings.Env}} shelf
plugin inspect nope
plugin enable shelf
plugin enable --timeout 5 shelf
plugin enable --timeout -1 shelf
plugin enable
plugin disable -f shelf
plugin disable shelf nope
plugin rm -f shelf
plugin remove shelf nope
plugin set shelf
plugin set shelf DEBUG=1 a.b=c
plugin push me/shelf
plugin push UP
plugin push me/shelf@sha256:0000000000000000000000000000000000000000000000000000000000000001
plugin install me/shelf
plugin install me/modest
plugin install --grant-all-permissions me/shelf DEBUG=1 MORE=2
plugin install --grant-all-permissions --disable --alias other me/shelf
plugin install --alias other@sha256:0000000000000000000000000000000000000000000000000000000000000001 me/shelf
plugin install UP
plugin upgrade busy
plugin upgrade nope
plugin upgrade shelf UP
plugin upgrade --grant-all-permissions shelf
plugin upgrade --skip-remote-check --grant-all-permissions shelf me/other:2
plugin upgrade shelf me/other:2
plugin upgrade a b c
plugin create
plugin create shelf %CTX
plugin create shelf %CTX/none
plugin create shelf %CTX/Dockerfile
plugin create UP %CTX
plugin create shelf %CTX/../plugin
plugin create --compress shelf %CTX/../plugin`.split("\n");

/** Words are split at blanks; a no-break space stands for a blank within a word. */
export const cases: readonly Case[] = [
  ...lines.map((line) => ({
    args: line.split(" ").map((word) => (word === "%EMPTY" ? "" : word.replaceAll("\u00a0", " "))),
  })),
  { args: ["build", "-"], stdin: "FROM busybox\n" },
  { args: ["build", "-f", "x", "-"], stdin: "FROM busybox\n" },
  { args: ["load"], stdin: "archive" },
  { args: ["import", "-", "x:y"], stdin: "archive" },
  { args: ["plugin", "install", "me/shelf"], stdin: "y\n" },
  { args: ["plugin", "upgrade", "shelf", "me/other:2"], stdin: "n\n" },
  { args: ["plugin", "upgrade", "shelf", "me/other:2"], stdin: "y\n" },
];
