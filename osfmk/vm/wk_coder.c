/*
 * The page coder: see wk_coder.h.
 */
#include <vm/wk_coder.h>

#include <string.h>

#define KIND_ZERO  0U
#define KIND_EXACT 1U
#define KIND_NEAR  2U
#define KIND_NEW   3U

#define DICTIONARY_BITS 4
#define DICTIONARY_SIZE (1U << DICTIONARY_BITS)
#define LOW_BITS        10
#define LOW_MASK        ((1U << LOW_BITS) - 1)
#define LOWS_PER_WORD   3U
#define PLACES_PER_WORD 8U
#define KINDS_PER_WORD  16U
#define KIND_WORDS      (WK_PAGE_WORDS / KINDS_PER_WORD)

/* `news` of a page that repeats one word, which follows the head. */
#define HEAD_REPEATS 0xffffU

struct head {
	uint16_t news;   /* words in full */
	uint16_t places; /* exact and near words */
	uint16_t lows;   /* near words */
	uint16_t zero;
};

#define HEAD_WORDS (sizeof(struct head) / 4)

static_assert(
    WK_CODE_MAX == sizeof(struct head) + 4 * KIND_WORDS + 4 * (WK_PAGE_WORDS + 1), "the longest code");

/* The upper bits spread over the dictionary: the top bits of a product with 2^32 over the golden ratio. */
OS_INLINE unsigned
place_of(uint32_t word)
{
	return (unsigned)((word >> LOW_BITS) * 0x9e3779b1U >> (32 - DICTIONARY_BITS));
}

OS_INLINE size_t
words_for(unsigned count, unsigned per_word)
{
	return (count + per_word - 1) / per_word;
}

static bool
repeats(const uint32_t *page)
{
	return memcmp(page, page + 1, (WK_PAGE_WORDS - 1) * sizeof(*page)) == 0;
}

/* --- encoding --- */

struct encoder {
	uint32_t dictionary[DICTIONARY_SIZE];
	uint32_t *news, *news_end;
	uint8_t *place;
	uint16_t *low;
};

/* The kind of a word; what it needs beside goes to its stream. The caller has seen to it that a new word has room. */
OS_INLINE uint32_t
encode_word(struct encoder *e, uint32_t word)
{
	unsigned place = place_of(word);
	uint32_t seen = e->dictionary[place];

	if (word == 0) {
		return KIND_ZERO;
	}
	if (word == seen) {
		*e->place++ = (uint8_t)place;
		return KIND_EXACT;
	}
	e->dictionary[place] = word;
	if (word >> LOW_BITS == seen >> LOW_BITS) {
		*e->place++ = (uint8_t)place;
		*e->low++ = (uint16_t)(word & LOW_MASK);
		return KIND_NEAR;
	}
	*e->news++ = word;
	return KIND_NEW;
}

/* All words of the page; false when the new ones do not fit. */
static bool
encode_words(struct encoder *e, const uint32_t *page, uint32_t *kinds)
{
	for (unsigned i = 0; i < KIND_WORDS; i++, page += KINDS_PER_WORD) {
		uint32_t packed = 0;

		if ((size_t)(e->news_end - e->news) < KINDS_PER_WORD) {
			return false;
		}
		for (unsigned j = 0; j < KINDS_PER_WORD; j++) {
			packed |= encode_word(e, page[j]) << 2 * j;
		}
		kinds[i] = packed;
	}
	return true;
}

static uint32_t *
pack_places(uint32_t *out, const uint8_t *place, unsigned count)
{
	for (unsigned i = 0; i < count; i += PLACES_PER_WORD) {
		uint32_t packed = 0;

		for (unsigned j = 0; j < PLACES_PER_WORD && i + j < count; j++) {
			packed |= (uint32_t)place[i + j] << DICTIONARY_BITS * j;
		}
		*out++ = packed;
	}
	return out;
}

static uint32_t *
pack_lows(uint32_t *out, const uint16_t *low, unsigned count)
{
	for (unsigned i = 0; i < count; i += LOWS_PER_WORD) {
		uint32_t packed = 0;

		for (unsigned j = 0; j < LOWS_PER_WORD && i + j < count; j++) {
			packed |= (uint32_t)low[i + j] << LOW_BITS * j;
		}
		*out++ = packed;
	}
	return out;
}

static size_t
encode_repeated(uint32_t word, uint32_t *out, size_t room)
{
	struct head head = { .news = HEAD_REPEATS };

	if (room < sizeof(head) + sizeof(word)) {
		return 0;
	}
	memcpy(out, &head, sizeof(head));
	out[HEAD_WORDS] = word;
	return sizeof(head) + sizeof(word);
}

size_t
wk_encode(const uint32_t *page, void *out, size_t room, struct wk_scratch *scratch)
{
	uint32_t *words = out, *end = words + room / 4, *news = words + HEAD_WORDS + KIND_WORDS;
	struct encoder e = { .news = news, .news_end = end, .place = scratch->place, .low = scratch->low };
	struct head head = { 0 };

	if (repeats(page)) {
		return encode_repeated(page[0], words, room);
	}
	if (room < 4 * (HEAD_WORDS + KIND_WORDS) || !encode_words(&e, page, words + HEAD_WORDS)) {
		return 0;
	}
	head.news = (uint16_t)(e.news - news);
	head.places = (uint16_t)(e.place - scratch->place);
	head.lows = (uint16_t)(e.low - scratch->low);
	if (words_for(head.places, PLACES_PER_WORD) + words_for(head.lows, LOWS_PER_WORD) >
	    (size_t)(end - e.news)) {
		return 0;
	}
	memcpy(words, &head, sizeof(head));
	e.news = pack_places(e.news, scratch->place, head.places);
	e.news = pack_lows(e.news, scratch->low, head.lows);
	return (size_t)(e.news - words) * 4;
}

/* --- decoding --- */

/* What is left of each stream; nothing is read behind its end. */
struct decoder {
	uint32_t dictionary[DICTIONARY_SIZE];
	const uint32_t *news, *places, *lows;
	unsigned new_count, place_count, low_count;
	unsigned place_next, low_next;
};

OS_INLINE bool
take_place(struct decoder *d, unsigned *place)
{
	unsigned i = d->place_next++;

	if (i >= d->place_count) {
		return false;
	}
	*place =
	    d->places[i / PLACES_PER_WORD] >> DICTIONARY_BITS * (i % PLACES_PER_WORD) & (DICTIONARY_SIZE - 1);
	return true;
}

OS_INLINE bool
take_low(struct decoder *d, uint32_t *low)
{
	unsigned i = d->low_next++;

	if (i >= d->low_count) {
		return false;
	}
	*low = d->lows[i / LOWS_PER_WORD] >> LOW_BITS * (i % LOWS_PER_WORD) & LOW_MASK;
	return true;
}

OS_INLINE bool
decode_word(struct decoder *d, unsigned kind, uint32_t *word)
{
	unsigned place;
	uint32_t low;

	switch (kind) {
	case KIND_ZERO:
		*word = 0;
		return true;
	case KIND_EXACT:
		if (!take_place(d, &place)) {
			return false;
		}
		*word = d->dictionary[place];
		return true;
	case KIND_NEAR:
		if (!take_place(d, &place) || !take_low(d, &low)) {
			return false;
		}
		*word = d->dictionary[place] = (d->dictionary[place] & ~LOW_MASK) | low;
		return true;
	default:
		if (d->new_count == 0) {
			return false;
		}
		d->new_count--;
		*word = *d->news++;
		d->dictionary[place_of(*word)] = *word;
		return true;
	}
}

static bool
decode_words(struct decoder *d, const uint32_t *kinds, uint32_t *page)
{
	for (unsigned i = 0; i < KIND_WORDS; i++) {
		uint32_t packed = kinds[i];

		for (unsigned j = 0; j < KINDS_PER_WORD; j++, packed >>= 2) {
			if (!decode_word(d, packed & 3, page++)) {
				return false;
			}
		}
	}
	return d->new_count == 0 && d->place_next == d->place_count && d->low_next == d->low_count;
}

static bool
decode_repeated(const uint32_t *words, size_t length, uint32_t *page)
{
	if (length != sizeof(struct head) + sizeof(*words)) {
		return false;
	}
	for (unsigned i = 0; i < WK_PAGE_WORDS; i++) {
		page[i] = words[HEAD_WORDS];
	}
	return true;
}

bool
wk_decode(const void *code, size_t length, uint32_t *page)
{
	const uint32_t *words = code;
	struct decoder d = { .news = words + HEAD_WORDS + KIND_WORDS };
	struct head head;

	if (length < sizeof(head)) {
		return false;
	}
	memcpy(&head, code, sizeof(head));
	if (head.zero != 0) {
		return false;
	}
	if (head.news == HEAD_REPEATS) {
		return head.places == 0 && head.lows == 0 && decode_repeated(words, length, page);
	}
	if (length != 4 * (HEAD_WORDS + KIND_WORDS + head.news + words_for(head.places, PLACES_PER_WORD) +
			      words_for(head.lows, LOWS_PER_WORD))) {
		return false;
	}
	d.places = d.news + head.news;
	d.lows = d.places + words_for(head.places, PLACES_PER_WORD);
	d.new_count = head.news;
	d.place_count = head.places;
	d.low_count = head.lows;
	return decode_words(&d, words + HEAD_WORDS, page);
}
