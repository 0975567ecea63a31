/* Run a capture over a generated input in blocks of many sizes, and print a checksum of the output's bits. */
#include <stdio.h>
#include <stdlib.h>

#include "capture.h"
#include "read_weights.h"
#include "test_signal.h"

static _Alignas(64) unsigned char state[CAPTURE_STATE_BYTES];
static float block_in[CAPTURE_MAX_BLOCK], block_out[CAPTURE_MAX_BLOCK];

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s capture_weights.bin\n", argv[0]);
        return 2;
    }
    void *weights = read_weights(argv[1]);
    if (!weights)
        return 1;
    int error = capture_init(state, weights);
    if (error) {
        fprintf(stderr, "%s does not belong to this code (error %d)\n", argv[1], error);
        return 1;
    }
    uint32_t hash = HASH_START;
    for (int done = 0, size = 1; done < SAMPLES; done += size) {
        size = next_block_size(done, size, CAPTURE_MAX_BLOCK);
        for (int i = 0; i < size; i++)
            block_in[i] = next_sample();
        capture_process(state, weights, block_in, block_out, size);
        for (int i = 0; i < size; i++)
            hash = hash_sample(hash, block_out[i]);
    }
    printf("checksum %08x\n", (unsigned)hash);
    free(weights);
    return 0;
}
