-- The newest predictor among any number of artifacts, without reading the others; and whether a checkpoint still names
-- a blob. See sql/README.md for the why.
create index artifact_made on ofa.artifact (kind, run_id, id) where run_id is not null;
create index checkpoint_blob on ofa.checkpoint ((payload ->> 'blob')) where payload ->> 'blob' is not null;
