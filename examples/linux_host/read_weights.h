/* Reading a weight blob into memory. */
#ifndef READ_WEIGHTS_H
#define READ_WEIGHTS_H

#include <stdio.h>
#include <stdlib.h>

/* The blob, aligned for vector loads, to be freed; NULL with a message when it cannot be read. */
static void *read_weights(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END)) {
        perror(path);
        return NULL;
    }
    size_t size = (size_t)ftell(file);
    void *weights = aligned_alloc(64, (size + 63) / 64 * 64);
    rewind(file);
    if (!weights || fread(weights, 1, size, file) != size) {
        perror(path);
        return NULL;
    }
    fclose(file);
    return weights;
}

#endif
