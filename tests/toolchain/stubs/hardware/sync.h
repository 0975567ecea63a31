/* Stands in for the Pico SDK's header, which is not available here. */
#pragma once
static inline void __wfe(void)
{
    __asm__ volatile("wfe" ::: "memory");
}
static inline void __sev(void)
{
    __asm__ volatile("sev" ::: "memory");
}
