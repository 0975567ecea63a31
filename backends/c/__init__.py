"""What a C program includes: headers, the blob's checker, the rings between stages."""
