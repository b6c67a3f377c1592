// Artifacts: blobs and lineage.
