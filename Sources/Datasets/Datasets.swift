// Datasets: data sets as checked shards, and batches of them.
