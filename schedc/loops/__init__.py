"""How loops run: what op and schedule decide together, for lowering, weight layout, cost model and report alike."""
