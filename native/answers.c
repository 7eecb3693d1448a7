// Answers that the daemon lets the shim give by itself (PROTOCOL.md "Name service"): pairs of bytes that it has seen belong together, until it
// says that none does any more. Nothing in here knows what a question is; the first two bytes of both, which differ each time, are not part of them.
#include "shim.h"

#include <stdlib.h>
#include <string.h>

enum { PLACES = 64, NEIGHBOURS = 4, MOST_BYTES = 8 << 10 };

struct kept {
	uint32_t hash;
	unsigned question_size, count, turn;
	size_t sizes[MAX_KEPT];
	uint8_t bytes[]; // the question, then the answers behind each other
};

static struct kept *table[PLACES];
static unsigned victim;

static uint32_t hash_of(const uint8_t *bytes, size_t size)
{
	uint32_t hash = 2166136261u; // FNV-1a
	for (size_t i = 0; i < size; i++)
		hash = (hash ^ bytes[i]) * 16777619u;
	return hash;
}

static struct kept **place_of(uint32_t hash, const uint8_t *question, size_t size)
{
	for (unsigned i = 0; i < NEIGHBOURS; i++) {
		struct kept **place = &table[(hash + i) % PLACES], *k = *place;
		if (k && k->hash == hash && k->question_size == size && memcmp(k->bytes, question, size) == 0)
			return place;
	}
	return NULL;
}

// Where a new one goes: to an empty place, or in turn to one of those where it would be looked for.
static struct kept **free_place(uint32_t hash)
{
	for (unsigned i = 0; i < NEIGHBOURS; i++)
		if (!table[(hash + i) % PLACES])
			return &table[(hash + i) % PLACES];
	return &table[(hash + victim++ % NEIGHBOURS) % PLACES];
}

const uint8_t *answers_find(const uint8_t *question, size_t size, size_t *answer_size)
{
	struct kept **place = place_of(hash_of(question, size), question, size);
	if (!place)
		return NULL;
	struct kept *k = *place;
	const uint8_t *answer = k->bytes + k->question_size;
	unsigned turn = k->turn++ % k->count;
	for (unsigned i = 0; i < turn; i++)
		answer += k->sizes[i];
	*answer_size = k->sizes[turn];
	return answer;
}

// What does not fit is not kept: the daemon is asked again.
void answers_keep(const uint8_t *question, size_t size, const struct kept_answers *answers)
{
	size_t total = size;
	for (unsigned i = 0; i < answers->count; i++)
		total += answers->sizes[i];
	struct kept *k = answers->count > 0 && total <= MOST_BYTES ? malloc(sizeof *k + total) : NULL;
	if (!k)
		return;
	*k = (struct kept){.hash = hash_of(question, size), .question_size = (unsigned)size, .count = answers->count};
	memcpy(k->sizes, answers->sizes, sizeof k->sizes);
	memcpy(k->bytes, question, size);
	uint8_t *at = k->bytes + size;
	for (unsigned i = 0; i < answers->count; at += answers->sizes[i], i++)
		memcpy(at, answers->bytes[i], answers->sizes[i]);
	struct kept **place = place_of(k->hash, question, size);
	if (!place)
		place = free_place(k->hash);
	free(*place);
	*place = k;
}

void answers_forget(void)
{
	for (unsigned i = 0; i < PLACES; i++) {
		free(table[i]);
		table[i] = NULL;
	}
}
