// See user.h. A number is always an id: it is looked up only to learn the primary group, the supplementary groups and the home.
// Lines whose id is not a number within 0…2147483647 match nothing, where moby would read them as 0, which is root.
#include "user.h"

#include <errno.h>
#include <string.h>

struct field {
	const char *at;
	size_t size;
};

enum { MAX_FIELDS = 7 };

static bool equals(struct field f, struct field other)
{
	return f.size == other.size && memcmp(f.at, other.at, f.size) == 0;
}

static struct field whole(const char *s)
{
	return (struct field){s, strlen(s)};
}

// Go's strconv.Atoi for what can be an id: an optional sign and decimal digits. 1 = number (clamped), 0 = none, and like Atoi
// none when it does not fit 64 bits.
static bool parse_number(struct field f, int64_t *out)
{
	bool negative = f.size > 0 && f.at[0] == '-';
	size_t i = f.size > 0 && (f.at[0] == '-' || f.at[0] == '+') ? 1 : 0;
	uint64_t value = 0;
	if (i == f.size)
		return false;
	for (; i < f.size; i++) {
		if (f.at[i] < '0' || f.at[i] > '9')
			return false;
		value = value * 10 + (uint64_t)(f.at[i] - '0');
		if (value > INT64_MAX / 16)
			return false;
	}
	*out = negative ? -(int64_t)value : (int64_t)value;
	return true;
}

static bool is_id(int64_t v)
{
	return v >= 0 && v <= MAX_USER_ID;
}

static bool field_id(struct field f, uint32_t *out)
{
	int64_t v = 0;
	if (!parse_number(f, &v) || !is_id(v))
		return false;
	*out = (uint32_t)v;
	return true;
}

static struct field trim(struct field f)
{
	while (f.size > 0 && (*f.at == ' ' || (*f.at >= '\t' && *f.at <= '\r')))
		f.at++, f.size--;
	while (f.size > 0 && (f.at[f.size - 1] == ' ' || (f.at[f.size - 1] >= '\t' && f.at[f.size - 1] <= '\r')))
		f.size--;
	return f;
}

// Takes the next line that is not empty, cut at its colons. False at the end. Missing fields are empty.
static bool next_entry(struct text *t, struct field fields[MAX_FIELDS])
{
	while (t->size > 0) {
		const char *newline = memchr(t->data, '\n', t->size);
		size_t length = newline ? (size_t)(newline - t->data) : t->size;
		struct field line = trim((struct field){t->data, length});
		length += newline != NULL;
		t->data += length;
		t->size -= length;
		if (line.size == 0)
			continue;
		for (int i = 0; i < MAX_FIELDS; i++) {
			const char *colon = i < MAX_FIELDS - 1 && line.size > 0 ? memchr(line.at, ':', line.size) : NULL;
			size_t size = colon ? (size_t)(colon - line.at) : line.size;
			fields[i] = (struct field){line.at, size};
			line.at += size + (colon != NULL);
			line.size -= size + (colon != NULL);
		}
		return true;
	}
	return false;
}

struct account {
	struct field name, home;
	uint32_t uid, gid;
};

// The first account with this name, or with this id when `name` is NULL. Name, password, uid, gid, gecos, home, shell.
static bool find_account(struct text passwd, const struct field *name, int64_t uid, struct account *a)
{
	struct field v[MAX_FIELDS];
	while (next_entry(&passwd, v)) {
		if (!field_id(v[2], &a->uid) || !field_id(v[3], &a->gid))
			continue;
		if (name ? !equals(v[0], *name) : a->uid != uid)
			continue;
		a->name = v[0];
		a->home = v[5];
		return true;
	}
	return false;
}

static int refuse(struct fault *f, int err, const char *what, struct field name, const char *why)
{
	char text[256];
	size_t at = 0;
	const struct field parts[] = {whole("unable to find "), whole(what), whole(" "), name, whole(": "), whole(why)};
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		size_t size = parts[i].size, keep = i == 3 ? 100 : sizeof text;
		size = size < keep ? size : keep;
		if (size > sizeof text - 1 - at)
			size = sizeof text - 1 - at;
		memcpy(text + at, parts[i].at, size);
		at += size;
	}
	text[at] = 0;
	return fault_set(f, err, "credentials", "", text);
}

static int out_of_range(struct fault *f)
{
	return fault_set(f, ERANGE, "credentials", "", "uids and gids must be in range 0-2147483647");
}

static int add_group(struct user *u, uint32_t gid, struct fault *f)
{
	for (unsigned i = 0; i < u->group_count; i++)
		if (u->groups[i] == gid)
			return 0;
	if (u->group_count == MAX_GROUPS)
		return fault_set(f, E2BIG, "credentials", "", "too many supplementary groups");
	u->groups[u->group_count++] = gid;
	return 0;
}

static bool lists_member(struct field list, struct field name)
{
	while (list.size > 0) {
		const char *comma = memchr(list.at, ',', list.size);
		size_t size = comma ? (size_t)(comma - list.at) : list.size;
		if (equals((struct field){list.at, size}, name))
			return true;
		list.at += size + (comma != NULL);
		list.size -= size + (comma != NULL);
	}
	return false;
}

// The gid of an explicit group: the first entry that matches, or the number itself. Name, password, gid, members.
static int find_group(struct text group, struct field name, uint32_t *gid, struct fault *f)
{
	struct field v[MAX_FIELDS];
	int64_t wanted = 0;
	bool is_number = parse_number(name, &wanted);
	while (next_entry(&group, v))
		if (field_id(v[2], gid) && (is_number ? *gid == wanted : equals(v[0], name)))
			return 0;
	if (!is_number)
		return refuse(f, ENOENT, "group", name, "no matching entries in group file");
	if (!is_id(wanted))
		return out_of_range(f);
	*gid = (uint32_t)wanted;
	return 0;
}

static int add_memberships(struct text group, struct field name, struct user *u, struct fault *f)
{
	struct field v[MAX_FIELDS];
	uint32_t gid;
	while (next_entry(&group, v))
		if (field_id(v[2], &gid) && lists_member(v[3], name) && add_group(u, gid, f) < 0)
			return -E2BIG;
	return 0;
}

// compat: the home is that of the first account with this uid, whatever the name was (runc looks it up by number).
static void find_home(struct text passwd, struct user *u)
{
	struct account a;
	memcpy(u->home, "/", 2);
	if (find_account(passwd, NULL, u->uid, &a) && a.home.size > 0 && a.home.size < sizeof u->home && !memchr(a.home.at, 0, a.home.size)) {
		memcpy(u->home, a.home.at, a.home.size);
		u->home[a.home.size] = 0;
	}
}

int user_resolve(const char *spec, struct reader *added, struct text passwd, struct text group, struct user *u, struct fault *f)
{
	struct field name = whole(spec), wanted_group = {NULL, 0};
	const char *colon = strchr(spec, ':');
	struct account a;
	int64_t number = 0;
	memset(u, 0, sizeof *u);
	if (colon) {
		name.size = (size_t)(colon - spec);
		wanted_group = whole(colon + 1);
		// compat: "a:b:c" is user a and group b; what follows is dropped
		const char *second = memchr(wanted_group.at, ':', wanted_group.size);
		if (second)
			wanted_group.size = (size_t)(second - wanted_group.at);
	}
	bool is_number = name.size == 0 || parse_number(name, &number);
	bool found = find_account(passwd, is_number ? NULL : &name, number, &a);
	if (!found && !is_number)
		return refuse(f, ENOENT, "user", name, "no matching entries in passwd file");
	if (!is_id(number))
		return out_of_range(f);
	u->uid = found ? a.uid : (uint32_t)number;
	u->gid = found ? a.gid : 0;
	int rc = 0;
	if (wanted_group.size > 0)
		rc = find_group(group, wanted_group, &u->gid, f);
	if (rc == 0)
		rc = add_group(u, u->gid, f); // CVE-2022-36109: without it a group could be got rid of
	if (rc == 0 && wanted_group.size == 0 && found)
		rc = add_memberships(group, a.name, u, f);
	const char *extra;
	while (rc == 0 && added->left > 0 && wire_str(added, &extra)) {
		uint32_t gid = 0;
		rc = find_group(group, whole(extra), &gid, f);
		if (rc == 0)
			rc = add_group(u, gid, f);
	}
	find_home(passwd, u);
	return rc;
}
