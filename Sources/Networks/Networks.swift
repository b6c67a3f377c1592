// Networks: search spaces, elastic layers, the supernet and its cost.
