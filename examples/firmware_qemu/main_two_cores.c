/* The same capture cut into two stages, one per core, with two blocks in flight; needs `schedc compile --cores 2`. */
#include <stdint.h>

#include "board.h"
#include "capture.h"
#include "test_signal.h"

extern const unsigned char capture_weights[];

static _Alignas(64) unsigned char state0[CAPTURE_STAGE0_STATE_BYTES], state1[CAPTURE_STAGE1_STATE_BYTES];
static _Alignas(64) unsigned char handoff[2][CAPTURE_HANDOFF_BYTES];

/* Samples in each handoff buffer: 0 empty (the first core's turn), -1 end of the signal. */
static volatile int filled[2];

static void barrier(void)
{
    __asm__ volatile("dmb" ::: "memory");
}

static void second_core(void)
{
    static float block_out[CAPTURE_MAX_BLOCK];
    uint32_t hash = HASH_START;
    for (int slot = 0;; slot ^= 1) {
        while (!filled[slot])
            ;
        barrier();
        if (filled[slot] < 0)
            break;
        capture_stage1(state1, capture_weights, handoff[slot], block_out, filled[slot]);
        for (int i = 0; i < filled[slot]; i++)
            hash = hash_sample(hash, block_out[i]);
        barrier();
        filled[slot] = 0;
    }
    print_text("checksum ");
    print_hex(hash);
    print_text("\n");
    exit_program(0);
}

int main(void)
{
    static float block_in[CAPTURE_MAX_BLOCK];
    int slot = 0;
    if (capture_stage0_init(state0, capture_weights) || capture_stage1_init(state1, capture_weights))
        return 1;
    start_second_core(second_core);
    for (int done = 0, size = 1; done < SAMPLES; done += size, slot ^= 1) {
        size = next_block_size(done, size, CAPTURE_MAX_BLOCK);
        for (int i = 0; i < size; i++)
            block_in[i] = next_sample();
        while (filled[slot])
            ;
        capture_stage0(state0, capture_weights, block_in, handoff[slot], size);
        barrier();
        filled[slot] = size;
    }
    while (filled[slot])
        ;
    filled[slot] = -1;
    for (;;)
        ;
}
