/* A plugin for the tests: a volume driver whose volumes are directories of its propagated mount, an authorisation plugin that
 * refuses what has "forbidden" in its address, and a log driver that writes what it gets to /log. One request at a time.
 * argv: socket's name, and what it is to do before it listens: "exit" ends, "wait" never comes to it. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <dirent.h>

#define VOLUMES "/mnt/state"
static char request[1 << 20], reply[1 << 16], value[4096];

static void end(int signal) { (void)signal; _exit(0); }

/* The text of a member of the body, without a thought of escapes. */
static const char *member(const char *name)
{
	char key[64];
	const char *body = strstr(request, "\r\n\r\n"), *at;
	snprintf(key, sizeof key, "\"%s\":\"", name);
	value[0] = 0;
	if (body && (at = strstr(body, key)))
		sscanf(at + strlen(key), "%4095[^\"]", value);
	return value;
}

/* Frames of a length and a message, of which field 3 is the line. */
static void copy_log(const char *path)
{
	unsigned char size[4], message[1 << 16];
	FILE *from = fopen(path, "r");
	int to = open("/log", O_WRONLY | O_CREAT | O_APPEND, 0644);
	while (from && fread(size, 1, 4, from) == 4) {
		size_t length = (size_t)size[0] << 24 | size[1] << 16 | size[2] << 8 | size[3], at = 0;
		if (length > sizeof message || fread(message, 1, length, from) != length)
			break;
		while (at < length) {
			unsigned field = message[at] >> 3, kind = message[at] & 7;
			size_t number = 0, shift = 0;
			at++;
			do
				number |= (size_t)(message[at] & 127) << shift, shift += 7;
			while (message[at++] & 128 && at < length);
			if (kind != 2)
				continue;
			if (field == 3 && (write(to, message + at, number) < 0 || write(to, "\n", 1) < 0))
				break;
			at += number;
		}
	}
	_exit(0);
}

static const char *list(void)
{
	static char text[8192];
	DIR *dir = opendir(VOLUMES);
	size_t at = (size_t)sprintf(text, "{\"Volumes\":[");
	for (struct dirent *e; dir && (e = readdir(dir));)
		if (e->d_name[0] != '.')
			at += (size_t)sprintf(text + at, "%s{\"Name\":\"%s\"}", text[at - 1] == '[' ? "" : ",", e->d_name);
	if (dir)
		closedir(dir);
	strcpy(text + at, "]}");
	return text;
}

static const char *answer(const char *method)
{
	static char text[16384], path[4200];
	struct stat st;
	if (!strcmp(method, "Plugin.Activate"))
		return "{\"Implements\":[\"VolumeDriver\",\"authz\",\"LogDriver\"]}";
	if (!strncmp(method, "AuthZPlugin.", 12))
		return strstr(member("RequestUri"), "forbidden") ? "{\"Allow\":false,\"Msg\":\"not this\"}" : "{\"Allow\":true}";
	if (!strcmp(method, "LogDriver.Capabilities"))
		return "{\"Cap\":{\"ReadLogs\":false}}";
	if (!strcmp(method, "LogDriver.StartLogging")) {
		snprintf(path, sizeof path, "%s", member("File"));
		if (fork() == 0)
			copy_log(path);
		return "{}";
	}
	if (!strcmp(method, "LogDriver.StopLogging"))
		return "{}";
	if (!strcmp(method, "VolumeDriver.Capabilities"))
		return "{\"Capabilities\":{\"Scope\":\"local\"}}";
	if (!strcmp(method, "VolumeDriver.List"))
		return list();
	snprintf(path, sizeof path, VOLUMES "/%s", member("Name"));
	if (!strcmp(method, "VolumeDriver.Create") && mkdir(path, 0755) == 0)
		return "{}";
	if (stat(path, &st) != 0)
		return "{\"Err\":\"no such volume\"}";
	if (!strcmp(method, "VolumeDriver.Mount"))
		mount("tmpfs", path, "tmpfs", 0, "size=1m");
	if (!strcmp(method, "VolumeDriver.Unmount"))
		umount2(path, MNT_DETACH);
	if (!strcmp(method, "VolumeDriver.Remove"))
		rmdir(path);
	snprintf(text, sizeof text, "{\"Mountpoint\":\"%s\",\"Volume\":{\"Name\":\"%s\",\"Mountpoint\":\"%s\"}}", path, value, path);
	return text;
}

static void serve(int fd)
{
	size_t got = 0, want = 0;
	char method[64] = "", *body = NULL, *length;
	while (got < sizeof request - 1) {
		ssize_t n = read(fd, request + got, sizeof request - 1 - got);
		if (n <= 0)
			return;
		request[got += (size_t)n] = 0;
		if (!body && (body = strstr(request, "\r\n\r\n")))
			want = (size_t)(body + 4 - request) + ((length = strcasestr(request, "content-length:")) && length < body ? strtoul(length + 15, NULL, 10) : 0);
		if (body && got >= want)
			break;
	}
	sscanf(request, "POST /%63[A-Za-z.]", method);
	const char *text = answer(method);
	int n = snprintf(reply, sizeof reply, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s", strlen(text), text);
	if (write(fd, reply, (size_t)n) < 0)
		perror("write");
}

int main(int argc, char **argv)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	signal(SIGTERM, end);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_IGN);
	fprintf(stderr, "plugin begins, DEBUG=%s\n", getenv("DEBUG") ? getenv("DEBUG") : "(none)");
	if (argc > 2 && !strcmp(argv[2], "exit"))
		return 7;
	while (argc > 2 && !strcmp(argv[2], "wait"))
		pause();
	snprintf(address.sun_path, sizeof address.sun_path, "/run/docker/plugins/%s", argv[1]);
	unlink(address.sun_path);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 64))
		return perror(address.sun_path), 1;
	for (;;) {
		int connection = accept(fd, NULL, NULL);
		if (connection < 0)
			continue;
		serve(connection);
		close(connection);
	}
}
