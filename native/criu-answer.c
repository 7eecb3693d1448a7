// See criu.h. Protocol buffers' wire format, as much as there is in these messages: numbers, and fields with a length.
#include "criu.h"

#include <string.h>

struct bytes {
	const uint8_t *at, *end;
	bool bad;
};

static bool take_number(struct bytes *b, uint64_t *value)
{
	*value = 0;
	for (unsigned shift = 0; shift < 64 && b->at < b->end; shift += 7) {
		uint8_t byte = *b->at++;
		*value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			return true;
	}
	b->bad = true;
	return false;
}

struct field {
	uint64_t number, value;
	struct bytes content; // of a field with a length
};

// False at the end of the message, and for what is none; then `b` is bad.
static bool take_field(struct bytes *b, struct field *field)
{
	static const uint8_t fixed[8] = {[1] = 8, [5] = 4};
	uint64_t key, size = 0;
	*field = (struct field){0};
	if (b->bad || b->at == b->end || !take_number(b, &key))
		return false;
	field->number = key >> 3;
	unsigned wire = key & 7;
	if (wire == 0)
		return take_number(b, &field->value);
	if (wire == 2 && !take_number(b, &size))
		return false;
	if (wire != 2 && (size = fixed[wire]) == 0)
		b->bad = true;
	if (b->bad || size > (uint64_t)(b->end - b->at)) {
		b->bad = true;
		return false;
	}
	field->content = (struct bytes){b->at, b->at + size, false};
	b->at += size;
	return true;
}

static void copy_text(const struct field *field, char *to, size_t room)
{
	size_t size = (size_t)(field->content.end - field->content.at);
	size = size < room ? size : room - 1;
	if (size > 0) // a number has no content
		memcpy(to, field->content.at, size);
	to[size] = 0;
}

static bool take_inner(struct bytes inner, uint64_t pid_field, struct criu_answer *a)
{
	struct field field;
	while (take_field(&inner, &field)) {
		if (field.number == pid_field)
			a->pid = field.value;
		else if (field.number == 1)
			copy_text(&field, a->script, sizeof a->script);
	}
	return !inner.bad;
}

bool criu_decode(const uint8_t *bytes, size_t size, struct criu_answer *a)
{
	enum { TYPE = 1, SUCCESS = 2, RESTORE = 4, NOTIFY = 5, ERRNO = 7, MESSAGE = 9 };
	struct bytes b = {bytes, bytes + size, false};
	struct field field;
	*a = (struct criu_answer){0};
	while (take_field(&b, &field)) {
		switch (field.number) {
		case TYPE:
			a->type = field.value;
			break;
		case SUCCESS:
			a->is_success = field.value != 0;
			break;
		case RESTORE:
		case NOTIFY:
			if (!take_inner(field.content, field.number == RESTORE ? 1 : 2, a))
				return false;
			break;
		case ERRNO:
			a->err = (int)field.value;
			break;
		case MESSAGE:
			copy_text(&field, a->message, sizeof a->message);
			break;
		}
	}
	return size > 0 && !b.bad;
}
