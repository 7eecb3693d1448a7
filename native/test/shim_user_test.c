// Docker's USER syntax against an image's passwd and group, then a mutation loop: whatever the files hold, nothing is read out of bounds and no
// id that was not written there comes out.
#include "check.h"
#include "user.h"

#include <errno.h>
#include <string.h>

static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n"
                             "# a comment\n"
                             "daemon:x:1:1::/usr/sbin:/nologin\n"
                             "toor:x:0:0::/toor:/bin/sh\n"
                             "  web:x:1000:1001:Web:/home/web:/bin/sh  \n"
                             "huge:x:4294967296:0::/:/\n"
                             "neg:x:-1:0::/:/\n"
                             "nouid:x::5::/:/\n"
                             "+::::::\n"
                             "1234:x:77:78::/named-like-a-number:/\n"
                             "last:x:2147483647:7::/last";
static const char group[] = "root:x:0:\nwheel:x:10:web,root\naudio:x:29:pulse,web\nwebs:x:1001:\nbad:x:99999999999:web\nlone:x:500:webx,xweb\n";

static struct user u;
static struct fault f;

static int resolve_with(const char *spec, const char *const *added, struct text p, struct text g)
{
	struct writer w = {0};
	struct reader r, list;
	write_begin(&w);
	write_open(&w);
	for (; added && *added; added++)
		write_str(&w, *added);
	write_close(&w);
	write_close(&w);
	CHECK(wire_open(&r, w.data + 4, w.size - 4));
	CHECK(wire_list(&r, &list));
	memset(&f, 0, sizeof f);
	int rc = user_resolve(spec, &list, p, g, &u, &f);
	write_free(&w);
	return rc;
}

static int resolve(const char *spec, const char *const *added)
{
	// Copies without a terminator, so that the sanitizer sees one byte too many.
	char *p = malloc(sizeof passwd - 1), *g = malloc(sizeof group - 1);
	memcpy(p, passwd, sizeof passwd - 1);
	memcpy(g, group, sizeof group - 1);
	int rc = resolve_with(spec, added, (struct text){p, sizeof passwd - 1}, (struct text){g, sizeof group - 1});
	free(p);
	free(g);
	return rc;
}

static void expect(const char *spec, unsigned uid, unsigned gid, const char *groups, const char *home)
{
	char text[256] = "";
	CHECK_INT(resolve(spec, NULL), 0);
	CHECK_INT(u.uid, uid);
	CHECK_INT(u.gid, gid);
	for (unsigned i = 0; i < u.group_count; i++)
		sprintf(text + strlen(text), "%s%u", i ? "," : "", u.groups[i]);
	if (strcmp(text, groups) || strcmp(u.home, home))
		fprintf(stderr, "%s: groups %s home %s\n", spec, text, u.home);
	CHECK(strcmp(text, groups) == 0);
	CHECK(strcmp(u.home, home) == 0);
}

static void refuse(const char *spec, int err, const char *text)
{
	CHECK_INT(resolve(spec, NULL), -err);
	if (strcmp(f.text, text))
		fprintf(stderr, "%s: %s\n", spec, f.text);
	CHECK(strcmp(f.text, text) == 0);
}

static void test_specs(void)
{
	expect("", 0, 0, "0,10", "/root");
	expect("root", 0, 0, "0,10", "/root");
	expect("0", 0, 0, "0,10", "/root");
	expect("toor", 0, 0, "0", "/root"); // the home goes by the number
	expect("web", 1000, 1001, "1001,10,29", "/home/web");
	expect("1000", 1000, 1001, "1001,10,29", "/home/web");
	expect("+1000", 1000, 1001, "1001,10,29", "/home/web");
	expect("web:audio", 1000, 29, "29", "/home/web"); // an explicit group is the only one
	expect("web:4242", 1000, 4242, "4242", "/home/web");
	expect("web:", 1000, 1001, "1001,10,29", "/home/web");
	expect("5555", 5555, 0, "0", "/");
	expect("5555:6666", 5555, 6666, "6666", "/");
	expect(":wheel", 0, 10, "10", "/root");
	expect("web:audio:more", 1000, 29, "29", "/home/web");
	expect("1234", 1234, 0, "0", "/"); // a number is never a name
	expect("2147483647", 2147483647u, 7, "7", "/last");
	refuse("nobody", ENOENT, "unable to find user nobody: no matching entries in passwd file");
	refuse("web:nogroup", ENOENT, "unable to find group nogroup: no matching entries in group file");
	refuse("2147483648", ERANGE, "uids and gids must be in range 0-2147483647");
	refuse("-1", ERANGE, "uids and gids must be in range 0-2147483647");
	refuse("web:4294967296", ERANGE, "uids and gids must be in range 0-2147483647");
	refuse("99999999999999999999", ENOENT, "unable to find user 99999999999999999999: no matching entries in passwd file");
	refuse("huge", ENOENT, "unable to find user huge: no matching entries in passwd file");
	refuse("neg", ENOENT, "unable to find user neg: no matching entries in passwd file");
	refuse("nouid", ENOENT, "unable to find user nouid: no matching entries in passwd file");
	refuse("web:bad", ENOENT, "unable to find group bad: no matching entries in group file");
	refuse("0x10", ENOENT, "unable to find user 0x10: no matching entries in passwd file");
}

static void test_added(void)
{
	CHECK_INT(resolve("web", (const char *[]){"audio", "lone", "10", "777", NULL}), 0);
	CHECK_INT(u.group_count, 5); // 1001 10 29 500 777, nothing twice
	CHECK_INT(u.groups[3], 500);
	CHECK_INT(u.groups[4], 777);
	CHECK_INT(resolve("web", (const char *[]){"nope", NULL}), -ENOENT);
	CHECK(strcmp(f.text, "unable to find group nope: no matching entries in group file") == 0);
	CHECK_INT(resolve("web", (const char *[]){"-3", NULL}), -ERANGE);
}

static void test_no_files(void)
{
	struct text none = {0};
	CHECK_INT(resolve_with("", NULL, none, none), 0);
	CHECK_INT(u.uid, 0);
	CHECK(strcmp(u.home, "/") == 0);
	CHECK_INT(resolve_with("12:34", NULL, none, none), 0);
	CHECK_INT(u.gid, 34);
	CHECK_INT(resolve_with("web", NULL, none, none), -ENOENT);
}

static void test_bounds(void)
{
	static char many[MAX_GROUPS * 24], home[2048];
	size_t size = 0;
	for (int i = 0; i < MAX_GROUPS + 5; i++)
		size += (size_t)sprintf(many + size, "g%d:x:%d:web\n", i, 5000 + i);
	CHECK_INT(resolve_with("web", NULL, (struct text){passwd, sizeof passwd - 1}, (struct text){many, size}), -E2BIG);
	memset(home, 'h', sizeof home);
	memcpy(home, "long:x:9:9::/", 13);
	CHECK_INT(resolve_with("long", NULL, (struct text){home, sizeof home}, (struct text){0}), 0);
	CHECK(strcmp(u.home, "/") == 0); // too long to be one
	memset(home, 'n', sizeof home - 1);
	home[sizeof home - 1] = 0;
	CHECK_INT(resolve_with(home, NULL, (struct text){0}, (struct text){0}), -ENOENT);
	CHECK(strlen(f.text) < sizeof f.text);
}

static char *mutate(const char *from, size_t *size)
{
	size_t n = *size;
	char *text = malloc(n + 64);
	memcpy(text, from, n);
	for (int i = rand() % 12; i >= 0; i--) {
		size_t at = n ? (size_t)rand() % n : 0;
		switch (rand() % 5) {
		case 0:
			text[at] = (char)rand();
			break;
		case 1:
			n = n ? at : 0; // cut
			break;
		case 2:
			text[at] = ":\n,-+0"[rand() % 6];
			break;
		case 3:
			if (n) {
				memmove(text + at, text + at + 1, n - at - 1);
				n--;
			}
			break;
		default:
			if (n > at + 16)
				memcpy(text + at, text + (size_t)rand() % (n - 15), 8);
		}
	}
	*size = n;
	return text;
}

static void test_mutations(void)
{
	static const char *const specs[] = {"", "web", "root", "1000", "web:audio", "0:0", "+", "-", ":", "web:29", "last"};
	srand(11);
	for (int round = 0; round < 100000; round++) {
		size_t ps = sizeof passwd - 1, gs = sizeof group - 1;
		char *p = mutate(passwd, &ps), *g = mutate(group, &gs);
		char *exact_p = malloc(ps ? ps : 1), *exact_g = malloc(gs ? gs : 1);
		memcpy(exact_p, p, ps);
		memcpy(exact_g, g, gs);
		int rc = resolve_with(specs[(size_t)rand() % (sizeof specs / sizeof specs[0])], (const char *[]){"audio", NULL},
		                      (struct text){exact_p, ps}, (struct text){exact_g, gs});
		CHECK(rc == 0 || (rc == -f.errno_ && f.text[0]));
		if (rc == 0) {
			CHECK(u.uid <= MAX_USER_ID && u.gid <= MAX_USER_ID && u.group_count <= MAX_GROUPS);
			CHECK(strlen(u.home) < sizeof u.home);
		}
		free(p);
		free(g);
		free(exact_p);
		free(exact_g);
	}
}

int main(void)
{
	test_specs();
	test_added();
	test_no_files();
	test_bounds();
	test_mutations();
	return 0;
}
