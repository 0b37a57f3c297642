/* Shows that igzip's levels 1 and 2 give other bytes for the same input when the stream stands at
 * another address. In a checkout of ISA-L on x86-64, after "make -f Makefile.unx lib":
 *
 *     cc -O2 -I include levels.c bin/isa-l.a -o levels
 *     ./levels 9
 *
 * The argument is hist_bits, 9 to 15. Every level compresses one input with the stream at 64
 * addresses, and the number of distinct outputs is printed. It should be 1.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "igzip_lib.h"

enum { ROWS = 2000, STREAMS = 64, DISTANCE = 1 << 17 };

/* Each row is two windows long. Zeros before byte 2 of its second window are a match, so that the
 * hash table has no entry for the last zero and the three random bytes behind it. They come again
 * 88 bytes later, where only a stray entry for byte 2 of the input leads to the first ones.
 */
static void fill(unsigned char *input, size_t window)
{
	unsigned long state = 1;

	for (size_t row = 0; row < ROWS; row++, input += 2 * window) {
		memset(input, 0, 2 * window);
		input[0] = 2;
		input[window - 112] = input[window + 88] = 1;
		for (size_t i = 0; i < 3; i++) {
			state = (state * 1103515245 + 12345) & 0x7fffffff;
			input[window + 3 + i] = input[window + 90 + i] = 2 + (state >> 16) % 254;
		}
	}
}

static size_t compress(struct isal_zstream *stream, unsigned level, unsigned hist_bits,
		       unsigned char *input, size_t size, unsigned char *output)
{
	static unsigned char buffer[ISAL_DEF_LVL3_DEFAULT];

	isal_deflate_init(stream);
	stream->level = level;
	stream->level_buf = buffer;
	stream->level_buf_size = sizeof(buffer);
	stream->hist_bits = hist_bits;
	stream->end_of_stream = 1;
	stream->next_in = input;
	stream->avail_in = size;
	stream->next_out = output;
	stream->avail_out = size;
	if (isal_deflate(stream) != COMP_OK || stream->avail_in || !stream->avail_out) {
		fprintf(stderr, "compressing failed\n");
		exit(1);
	}
	return stream->total_out;
}

int main(int count, char **arguments)
{
	unsigned hist_bits = count > 1 ? atoi(arguments[1]) : 9;
	size_t size = (size_t) ROWS * 2 << hist_bits;
	unsigned char *input = malloc(size), *output = malloc(size);
	unsigned char *streams = malloc((size_t) STREAMS * DISTANCE);
	unsigned char *known[STREAMS];
	size_t lengths[STREAMS];

	if (!input || !output || !streams)
		return 1;
	fill(input, (size_t) 1 << hist_bits);
	for (unsigned level = 0; level <= 3; level++) {
		int distinct = 0;

		for (int i = 0; i < STREAMS; i++) {
			void *stream = streams + (size_t) i * DISTANCE;
			size_t length = compress(stream, level, hist_bits, input, size, output);
			int k = 0;

			while (k < distinct && (lengths[k] != length || memcmp(known[k], output, length)))
				k++;
			if (k == distinct) {
				known[distinct] = malloc(length);
				if (!known[distinct])
					return 1;
				memcpy(known[distinct], output, length);
				lengths[distinct++] = length;
			}
		}
		printf("level %u: %d distinct outputs of %d\n", level, distinct, STREAMS);
		for (int k = 0; k < distinct; k++)
			free(known[k]);
	}
	free(input);
	free(output);
	free(streams);
	return 0;
}
