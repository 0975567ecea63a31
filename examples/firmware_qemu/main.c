/* Run a capture over a generated input in blocks of many sizes, and print a checksum of the output's bits. */
#include <stdint.h>

#include "board.h"
#include "capture.h"
#include "test_signal.h"

static _Alignas(64) unsigned char state[CAPTURE_STATE_BYTES];
static float block_in[CAPTURE_MAX_BLOCK], block_out[CAPTURE_MAX_BLOCK];

int main(void)
{
    uint32_t hash = HASH_START;
    if (capture_init(state, capture_weights))
        return 1;
    for (int done = 0, size = 1; done < SAMPLES; done += size) {
        size = next_block_size(done, size, CAPTURE_MAX_BLOCK);
        for (int i = 0; i < size; i++)
            block_in[i] = next_sample();
        capture_process(state, capture_weights, block_in, block_out, size);
        for (int i = 0; i < size; i++)
            hash = hash_sample(hash, block_out[i]);
    }
    print_text("checksum ");
    print_hex(hash);
    print_text("\n");
    return 0;
}
