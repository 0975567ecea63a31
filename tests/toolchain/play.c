/* A whole signal through a capture, called as plug-in hosts call: in long and short calls, and with a floating-point
 * mode that flushes subnormals, rounds towards zero and (where the processor can) traps every exception. C99, C11 and
 * C++11. PLAY, a name from the command line, returns the output's checksum, or a small number: what went wrong. */
#include "capture.h"
#include "capture.h"
#if CAPTURE_STAGES > 1 && (defined(__cplusplus) || __STDC_VERSION__ >= 201112L)
#include "capture_pipeline.h"
#define PIPELINE 1
#endif
#include "test_signal.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#define HOSTILE 0xe040u
static unsigned get_mode(void) { return _mm_getcsr(); }
static void set_mode(unsigned mode)
{
    __asm__ volatile("" : : : "memory");
    _mm_setcsr(mode);
    __asm__ volatile("" : : : "memory");
}
#elif defined(__aarch64__)
#define HOSTILE 0x01c09f00u
static unsigned get_mode(void)
{
    uint64_t mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    return (unsigned)mode;
}
static void set_mode(unsigned mode) { __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)mode) : "memory"); }
#else
#define HOSTILE 0x00c00000u /* NEON flushes anyway */
static unsigned get_mode(void)
{
    unsigned mode;
    __asm__ volatile("vmrs %0, fpscr" : "=r"(mode));
    return mode & 0x07ff9f00u; /* without flags */
}
static void set_mode(unsigned mode) { __asm__ volatile("vmsr fpscr, %0" : : "r"(mode) : "memory"); }
#endif

#define LONGEST 500

static union {
    unsigned char bytes[CAPTURE_STATE_BYTES];
    double aligned;
} state;

#ifdef __cplusplus
extern "C"
#endif
uint32_t PLAY(void);

uint32_t PLAY(void)
{
    const unsigned char *weights = capture_weights;
    static float in[LONGEST], out[LONGEST];
    const unsigned ours = get_mode();
    uint32_t hash = HASH_START;
    int done, n, i;
#ifdef PIPELINE
    static capture_pipeline stages;
    static float again[LONGEST];
    if (capture_pipeline_init(&stages, weights) != CAPTURE_OK)
        return 1;
#endif
    if (capture_check_weights(weights, CAPTURE_WEIGHTS_BYTES) != CAPTURE_OK)
        return 2;
    if (capture_init(state.bytes, weights) != CAPTURE_OK)
        return 3;
    for (done = 0; done < SAMPLES; done += n) {
        n = 1 + (done * 7 + 3) % LONGEST;
        if (n > SAMPLES - done)
            n = SAMPLES - done;
        for (i = 0; i < n; i++)
            in[i] = next_sample();
        set_mode(HOSTILE);
        unsigned hostile = get_mode();
        capture_process_any(state.bytes, weights, in, out, n);
        unsigned found = get_mode();
        set_mode(ours);
        if (found != hostile)
            return 4;
#ifdef PIPELINE
        for (i = 0; i < n; i += CAPTURE_MAX_BLOCK) {
            set_mode(HOSTILE);
            capture_process_partitioned(&stages, in + i, again + i,
                                        n - i < CAPTURE_MAX_BLOCK ? n - i : CAPTURE_MAX_BLOCK);
            set_mode(ours);
        }
        for (i = 0; i < n; i++)
            if (hash_sample(0, out[i]) != hash_sample(0, again[i]))
                return 5;
#endif
        for (i = 0; i < n; i++)
            hash = hash_sample(hash, out[i]);
    }
    return hash;
}
