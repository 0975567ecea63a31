/* libFuzzer: NAME_check_weights on any bytes. The first byte says where the blob begins, so that misaligned ones are
 * tried; the last copy is exactly as large as stated, so that reading one byte too many is seen.
 *     clang -g -O1 -fsanitize=fuzzer,address,undefined -I DIR fuzz_checker.c -o fuzz && ./fuzz -max_total_time=60 */
#include <stdlib.h>
#include <string.h>

#include "capture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t shift = size ? data[0] % 4 : 0, length = size ? size - 1 : 0;
    unsigned char *raw = (unsigned char *)malloc(length + shift + 1);
    if (!raw)
        return 0;
    unsigned char *blob = (unsigned char *)realloc(raw, length + shift ? length + shift : 1);
    if (length)
        memcpy(blob + shift, data + 1, length);
    int result = capture_check_weights(blob + shift, length);
    if (result < CAPTURE_OK || result > CAPTURE_MISALIGNED)
        abort();
    if (shift && result != CAPTURE_MISALIGNED)
        abort();
    free(blob);
    return 0;
}
