/* SPDX-License-Identifier: MIT */
/*
 * input.h - what the fuzz targets share: taking an input of random bytes apart. A target that finds something wrong
 * aborts, by assert; libFuzzer keeps the input.
 */
#ifndef TESTS_FUZZ_INPUT_H
#define TESTS_FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct input {
	const uint8_t *at, *end;
};

/* 0 at the end of the input. */
static inline uint8_t input_byte(struct input *input)
{
	return input->at < input->end ? *input->at++ : 0;
}

static inline uint64_t input_number(struct input *input, unsigned bytes)
{
	uint64_t number = 0;
	while (bytes--)
		number = number << 8 | input_byte(input);
	return number;
}

/* At most size - 1 bytes up to the next `end` byte or the end of the input, as a string; NUL bytes end it too. */
static inline size_t input_text(struct input *input, uint8_t end, char *ret_text, size_t size)
{
	size_t n = 0;
	while (input->at < input->end && n < size - 1) {
		uint8_t byte = input_byte(input);
		if (byte == end || !byte)
			break;
		ret_text[n++] = (char)byte;
	}
	ret_text[n] = '\0';
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

#endif
