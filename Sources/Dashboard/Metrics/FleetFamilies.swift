// FleetFamilies: what FleetMetrics tells, by the key that sql/queries/metrics.sql gives to each sample.

extension FleetMetrics {
    /// The families by key.
    public static let families: [String: MetricFamily] = queue.merging(ledger) { first, _ in first }
        .merging(own) { first, _ in first }

    private static let queueLabels = ["kind", "queue", "state"]
    private static let stageLabels = ["run", "pipeline", "stage"]

    private static let queue: [String: MetricFamily] = [
        "jobs": MetricFamily(
            "ofa_jobs", .gauge, labels: queueLabels,
            "Unfinished jobs that do not wait for other jobs, by kind of stage, queue and state."),
        "job_age": MetricFamily(
            "ofa_job_oldest_age_seconds", .gauge, labels: queueLabels,
            """
            How long the first available job of a kind has been available, how long ago the oldest scheduled or \
            retryable job was due (0 before), and for how long the oldest running attempt has run.
            """),
        "blocked": MetricFamily(
            "ofa_jobs_blocked", .gauge, "Jobs of unfinished runs that wait for other jobs."),
        "queue_paused": MetricFamily(
            "ofa_queue_paused", .gauge, labels: ["queue"],
            "1 for each paused queue: claims take no jobs from it."),
        "claims": MetricFamily(
            "ofa_claims_total", .counter,
            """
            Leases that claims have given out, including those that were given back before the job began. Missing if \
            the role may not read it (ofa db grant).
            """),
        "runs": MetricFamily(
            "ofa_runs", .gauge, labels: ["state"],
            "Unfinished runs (running), and those of them that a budget holds (held)."),
        "workers": MetricFamily(
            "ofa_workers", .gauge, labels: ["host", "state"],
            "Workers whose session lasts (alive), and those whose heartbeats stopped (silent)."),
        "worker_slots": MetricFamily(
            "ofa_worker_slots", .gauge, labels: ["host"],
            "Jobs that the living workers of a machine may run at once."),
        "heartbeat_age": MetricFamily(
            "ofa_heartbeat_age_seconds", .gauge, labels: ["host"],
            "Time since the last heartbeat of the machine's most silent worker."),
        "stage_progress": MetricFamily(
            "ofa_stage_progress_ratio", .gauge, labels: stageLabels,
            "The part of a running stage that is done, 0 to 1."),
        "stage_images": MetricFamily(
            "ofa_stage_images_per_second", .gauge, labels: stageLabels,
            "Images that a running training trains in a second; 0 if it has told nothing for a minute."
        ),
        "budget_used": MetricFamily(
            "ofa_budget_used_ratio", .gauge, labels: ["budget", "of", "limit"],
            "What was used of a budget's limit (energy, carbon or money), 1 at the limit."),
        "backup_age": MetricFamily(
            "ofa_backup_age_seconds", .gauge, "Time since the last ofa db backup."),
        "audit_age": MetricFamily(
            "ofa_audit_age_seconds", .gauge,
            "Time since the last ofa queue audit that found nothing."),
        "duty_age": MetricFamily(
            "ofa_duty_age_seconds", .gauge, labels: ["duty"],
            "Time since workers last did a maintenance task."),
    ]

    private static let ledger: [String: MetricFamily] = [
        "attempts": MetricFamily(
            "ofa_attempts_total", .counter, labels: ["kind", "outcome"],
            """
            Attempts that ended, by kind of stage: completed, failed, lost (their worker died), or stopped (cancelled \
            or released). From the ledger, which is kept for good.
            """),
        "energy": MetricFamily(
            "ofa_energy_joules_total", .counter, labels: ["kind"],
            "Energy of attempts, without the building's overhead, as it was metered or modelled."),
        "emissions": MetricFamily(
            "ofa_emissions_grams", .gauge, labels: ["kind"],
            """
            CO2e of the energy of all attempts, by the newest factors. A gauge, because newer factors may make it \
            smaller.
            """),
        "emissions_missing": MetricFamily(
            "ofa_emissions_missing_joules", .gauge, labels: ["kind"],
            "Energy whose zone and hour have no carbon intensity, so that ofa_emissions_grams lacks it."
        ),
        "blobs": MetricFamily(
            "ofa_blobs", .gauge, labels: ["store", "class"],
            "Stored blobs, by place and class (lasting, or of checkpoints)."),
        "blob_bytes": MetricFamily(
            "ofa_blob_bytes", .gauge, labels: ["store", "class"],
            "Bytes of blobs as they are stored."),
        "blob_raw_bytes": MetricFamily(
            "ofa_blob_raw_bytes", .gauge, labels: ["store", "class"],
            "Bytes of blobs as they are read."),
        "table_rows": MetricFamily(
            "ofa_table_rows", .gauge, labels: ["table"],
            "Rows of a table with its partitions, as the server's statistics estimate."),
        "table_dead_rows": MetricFamily(
            "ofa_table_dead_rows", .gauge, labels: ["table"],
            "Dead rows that vacuum has not removed yet, as the server's statistics estimate."),
        "database_bytes": MetricFamily(
            "ofa_database_bytes", .gauge, "Size of the database on disk."),
    ]

    private static let own: [String: MetricFamily] = [
        "read": MetricFamily(
            "ofa_metrics_read_seconds", .gauge, labels: ["part"],
            """
            How long the last reading of the queue, and of the ledgers, took. The ledgers are read less often, so that \
            this takes 2 % of the time at most.
            """),
        "ledger_age": MetricFamily(
            "ofa_metrics_ledger_age_seconds", .gauge, "Time since the ledgers were last read."),
    ]
}
