/* Rings that carry handoffs from one stage of a capture to the next, on another core or thread.
 *
 * Header only; C11 or C++11. One producer and one consumer per ring, no locks, no allocation, no system
 * calls: usable in an interrupt handler. What the producer wrote into a slot before schedc_ring_publish is
 * what the consumer reads after schedc_ring_front (release and acquire; on Cortex-M33 that is STL and LDA,
 * on a core without caches nothing else is needed). A full ring refuses a new block and an empty one gives
 * none: both are counted, neither damages what is in flight.
 */
#ifndef SCHEDC_RINGS_H
#define SCHEDC_RINGS_H

#include <stdint.h>

#ifdef __cplusplus
#include <atomic>
typedef std::atomic<uint32_t> schedc_counter;
#define SCHEDC_LOAD(counter, order) (counter).load(std::memory_order_##order)
#define SCHEDC_STORE(counter, value, order) (counter).store((value), std::memory_order_##order)
#define SCHEDC_ALIGN(bytes) alignas(bytes)
#else
#include <stdatomic.h>
typedef _Atomic(uint32_t) schedc_counter;
#define SCHEDC_LOAD(counter, order) atomic_load_explicit(&(counter), memory_order_##order)
#define SCHEDC_STORE(counter, value, order) atomic_store_explicit(&(counter), (value), memory_order_##order)
#define SCHEDC_ALIGN(bytes) _Alignas(bytes)
#endif

/* Bytes that the two sides must not share, or they slow each other down. Without caches 4 will do. */
#ifndef SCHEDC_LINE_BYTES
#define SCHEDC_LINE_BYTES 64
#endif

/* What a core does while it waits, and after it has changed a counter: WFE and SEV where there are such. */
#ifndef SCHEDC_PAUSE
#define SCHEDC_PAUSE() ((void)0)
#endif
#ifndef SCHEDC_SIGNAL
#define SCHEDC_SIGNAL() ((void)0)
#endif

/* A slot: a line that holds the number of frames, then the handoff. */
#define SCHEDC_SLOT_HEAD_BYTES 64
#define SCHEDC_SLOT_BYTES(handoff_bytes) (SCHEDC_SLOT_HEAD_BYTES + ((handoff_bytes) + 63) / 64 * 64)
#define SCHEDC_RING_BYTES(handoff_bytes, slots) ((slots) * SCHEDC_SLOT_BYTES(handoff_bytes))

typedef struct {
    unsigned char *memory;
    uint32_t slot_bytes, slots;
    SCHEDC_ALIGN(SCHEDC_LINE_BYTES) schedc_counter published; /* blocks, written by the producer */
    schedc_counter overruns;
    SCHEDC_ALIGN(SCHEDC_LINE_BYTES) schedc_counter released; /* blocks, written by the consumer */
    schedc_counter underruns;
} schedc_ring;

/* memory: SCHEDC_RING_BYTES(handoff_bytes, slots) bytes, aligned like a state; slots: a power of two.
 * Before either side starts. */
static inline void schedc_ring_init(schedc_ring *ring, void *memory, uint32_t handoff_bytes, uint32_t slots)
{
    ring->memory = (unsigned char *)memory;
    ring->slot_bytes = SCHEDC_SLOT_BYTES(handoff_bytes);
    ring->slots = slots;
    SCHEDC_STORE(ring->published, 0, relaxed);
    SCHEDC_STORE(ring->released, 0, relaxed);
    SCHEDC_STORE(ring->overruns, 0, relaxed);
    SCHEDC_STORE(ring->underruns, 0, relaxed);
}

static inline unsigned char *schedc_ring_slot(const schedc_ring *ring, uint32_t block)
{
    return ring->memory + (block & (ring->slots - 1)) * ring->slot_bytes;
}

/* Producer: whether a block can be claimed. Nothing is counted: this is what to wait on. */
static inline int schedc_ring_has_room(schedc_ring *ring)
{
    return SCHEDC_LOAD(ring->published, relaxed) - SCHEDC_LOAD(ring->released, acquire) < ring->slots;
}

/* Producer: where the next handoff goes, or NULL if the ring is full, which counts as an overrun. */
static inline void *schedc_ring_claim(schedc_ring *ring)
{
    if (!schedc_ring_has_room(ring)) {
        SCHEDC_STORE(ring->overruns, SCHEDC_LOAD(ring->overruns, relaxed) + 1, relaxed);
        return 0;
    }
    return schedc_ring_slot(ring, SCHEDC_LOAD(ring->published, relaxed)) + SCHEDC_SLOT_HEAD_BYTES;
}

/* Producer: the claimed handoff is complete and holds this many frames. */
static inline void schedc_ring_publish(schedc_ring *ring, int frames)
{
    uint32_t block = SCHEDC_LOAD(ring->published, relaxed);
    *(int32_t *)(void *)schedc_ring_slot(ring, block) = frames;
    SCHEDC_STORE(ring->published, block + 1, release);
    SCHEDC_SIGNAL();
}

/* Consumer: whether there is a handoff. Nothing is counted. */
static inline int schedc_ring_has_block(schedc_ring *ring)
{
    return SCHEDC_LOAD(ring->published, acquire) != SCHEDC_LOAD(ring->released, relaxed);
}

/* Consumer: the oldest handoff and its frames, or NULL if there is none, which counts as an underrun. */
static inline const void *schedc_ring_front(schedc_ring *ring, int *frames)
{
    if (!schedc_ring_has_block(ring)) {
        SCHEDC_STORE(ring->underruns, SCHEDC_LOAD(ring->underruns, relaxed) + 1, relaxed);
        return 0;
    }
    const unsigned char *slot = schedc_ring_slot(ring, SCHEDC_LOAD(ring->released, relaxed));
    *frames = *(const int32_t *)(const void *)slot;
    return slot + SCHEDC_SLOT_HEAD_BYTES;
}

/* Consumer: the oldest handoff has been read; its slot may be claimed again. */
static inline void schedc_ring_release(schedc_ring *ring)
{
    SCHEDC_STORE(ring->released, SCHEDC_LOAD(ring->released, relaxed) + 1, release);
    SCHEDC_SIGNAL();
}

/* Either side, at any time. */
static inline uint32_t schedc_ring_overruns(schedc_ring *ring)
{
    return SCHEDC_LOAD(ring->overruns, relaxed);
}

static inline uint32_t schedc_ring_underruns(schedc_ring *ring)
{
    return SCHEDC_LOAD(ring->underruns, relaxed);
}

#endif
