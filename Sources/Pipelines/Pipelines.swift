// Pipelines: pipeline files and stages.
