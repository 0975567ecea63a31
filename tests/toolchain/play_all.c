/* A caller without a C library, compiled and linked by the tools of other systems: a whole signal through a
 * capture. The capture's functions are called as the compiler's target calls; `play_all` itself is called by the
 * test, on Linux. `state` has room for all states and a handoff, `out` for two outputs if there are two stages. */
#include "capture.h"

#if defined(_WIN32) && defined(__x86_64__)
__attribute__((sysv_abi))
#endif
int play_all(void *state, const float *in, float *out, int count)
{
    int error = capture_init(state, capture_weights);
#if CAPTURE_STAGES == 2
    char *first = (char *)state + CAPTURE_STATE_BYTES;
    char *second = first + CAPTURE_STAGE0_STATE_BYTES;
    char *handoff = second + CAPTURE_STAGE1_STATE_BYTES;
    error |= capture_stage0_init(first, capture_weights) | capture_stage1_init(second, capture_weights);
#endif
    for (int done = 0, call = 0, n; !error && done < count; done += n, call++) {
        n = call * 7 % CAPTURE_MAX_BLOCK + 1;
        if (n > count - done)
            n = count - done;
        capture_process(state, capture_weights, in + done, out + done, n);
#if CAPTURE_STAGES == 2
        capture_stage0(first, capture_weights, in + done, handoff, n);
        capture_stage1(second, capture_weights, handoff, out + count + done, n); /* the same again, behind it */
#endif
    }
    return error;
}
