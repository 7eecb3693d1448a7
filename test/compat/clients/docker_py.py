"""A day of docker-py's: argv[1] is the port to publish on. Prints one line a step and fails with the first step that fails."""
import io
import sys
import tarfile
import time
import urllib.request

import docker

port = int(sys.argv[1])
client = docker.from_env()


def step(name):
    print("ok", name, flush=True)


def archive(name, text):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        info = tarfile.TarInfo(name)
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text))
    return data.getvalue()


assert client.ping() is True
assert client.version()["Os"] == "linux"
assert client.containers.run("busybox", "echo hello", remove=True) == b"hello\n"
try:
    client.containers.run("busybox", ["sh", "-c", "echo bad >&2; exit 4"], remove=True)
    raise AssertionError("a failure is an exception")
except docker.errors.ContainerError as error:
    assert error.exit_status == 4 and b"bad" in error.stderr, error
step("ping, version, run")

began = int(time.time())
network = client.networks.create("compat", driver="bridge", labels={"by": "docker-py"})
volume = client.volumes.create("compat", labels={"by": "docker-py"})
web = client.containers.run(
    "busybox",
    ["sh", "-c", "echo page > /www/index.html; exec httpd -f -v -h /www"],
    name="web",
    detach=True,
    ports={"80/tcp": port},
    volumes={"compat": {"bind": "/www", "mode": "rw"}},
    network="compat",
    labels={"by": "docker-py"},
    healthcheck={"test": ["CMD", "wget", "-qO-", "http://127.0.0.1/"], "interval": 10**9, "retries": 3},
    mem_limit="64m",
    ulimits=[docker.types.Ulimit(name="nofile", soft=100, hard=200)],
    tmpfs={"/scratch": "size=1m"},
)
events = client.events(decode=True, since=began, filters={"event": "start", "label": "by=docker-py"})
assert next(events)["Actor"]["Attributes"]["name"] == "web"
events.close()
for _ in range(100):
    try:
        page = urllib.request.urlopen(f"http://127.0.0.1:{port}/").read()
        break
    except OSError:
        time.sleep(0.05)
assert page == b"page\n", page
web.reload()
assert web.status == "running"
assert web.attrs["HostConfig"]["Memory"] == 64 * 2**20
assert client.containers.list(filters={"label": "by=docker-py"}) == [web]
assert web in client.networks.get("compat").containers
step("network, volume, ports, limits, events")

code, output = web.exec_run(["sh", "-c", "ulimit -Hn; echo err >&2; exit 5"], demux=True)
assert (code, output) == (5, (b"200\n", b"err\n")), (code, output)
sock = client.api.exec_start(client.api.exec_create(web.id, "cat", stdin=True)["Id"], socket=True)
sock._sock.sendall(b"typed\n")
assert sock._sock.recv(100)[8:] == b"typed\n"
sock.close()
assert b"response:200" in web.logs()
assert any("httpd" in " ".join(p) for p in web.top()["Processes"])
assert web.stats(stream=False)["memory_stats"]["usage"] > 0
assert next(web.stats(decode=True))["name"] == "/web"
step("exec, exec on a socket, logs, top, stats")

assert web.put_archive("/tmp", archive("note", b"text"))
data, stat = web.get_archive("/tmp/note")
assert stat["size"] == 4
assert tarfile.open(fileobj=io.BytesIO(b"".join(data))).extractfile("note").read() == b"text"
assert {"Path": "/tmp/note", "Kind": 1} in web.diff()
web.pause()
web.reload()
assert web.status == "paused"
web.unpause()
web.update(mem_limit="128m", memswap_limit="256m")
web.rename("site")
web.restart(timeout=0)
client.networks.get("bridge").connect(web)
client.networks.get("bridge").disconnect(web)
step("archives, diff, pause, update, rename, restart, connect")

image = web.commit("compat", "1", changes='ENV A="b"')
assert image.tags == ["compat:1"], image.tags
saved = b"".join(image.save(named=True))
client.images.remove("compat:1")
assert client.images.load(saved)[0].id == image.id
built, log = client.images.build(
    fileobj=io.BytesIO(b"FROM compat:1\nRUN echo built > /built\nCMD cat /built\n"), tag="compat:built", rm=True
)
assert any("Successfully built" in line.get("stream", "") for line in log)
assert client.containers.run("compat:built", remove=True) == b"built\n"
assert built.history()[0]["CreatedBy"].endswith("cat /built\"]"), built.history()[0]
step("commit, save, load, build, history")

for wrong in (lambda: client.containers.get("nobody"), lambda: client.images.get("nobody")):
    try:
        wrong()
        raise AssertionError("what is not there is NotFound")
    except docker.errors.NotFound:
        pass
web.stop(timeout=0)
assert web.wait()["StatusCode"] == 137
web.remove(v=True)
network.remove()
volume.remove()
for name in ("compat:built", "compat:1"):
    client.images.remove(name)
step("errors and the end")
