"""Questions about a graph or its code: receptive field, liveness, demand."""
