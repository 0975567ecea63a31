/* The weight blob as read-only data, straight from the file that schedc wrote (found through -I). */
    .section .rodata.capture_weights, "a"
    .balign 64
    .global capture_weights
capture_weights:
    .incbin "capture_weights.bin"
