/* Stand-in for newlib's header: what examples/pico2/main.c uses of it. */
#pragma once
__attribute__((format(printf, 1, 2))) int printf(const char *format, ...);
