// Search: latency tables, predictor, constrained search.
