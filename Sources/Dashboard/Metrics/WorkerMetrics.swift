// WorkerMetrics: the metrics of one worker process, which it serves itself (`ofa worker --metrics-port`). Reading them does
// not need the database, so they tell most when it is away.

import Accounting
import Foundation
import Jobs
import Metering

/// The metrics of one worker process.
public enum WorkerMetrics {
    /// The families.
    public static let families: [MetricFamily] = [
        slots, busy, claims, attempts, heartbeatAge, heartbeatDelay, images, progress, memory, cpu,
        attemptCPU, energy,
    ]

    private static let jobLabels = ["run", "stage", "kind", "job"]

    private static let slots = MetricFamily(
        "ofa_worker_process_slots", .gauge, "Jobs that this worker may run at once.")
    private static let busy = MetricFamily(
        "ofa_worker_process_slots_busy", .gauge, "Slots of this worker that run a job.")
    private static let claims = MetricFamily(
        "ofa_worker_process_claims_total", .counter, "Jobs that this worker has claimed.")
    private static let attempts = MetricFamily(
        "ofa_worker_process_attempts_total", .counter, labels: ["outcome"],
        """
        Attempts of this worker that ended: completed, failed, cancelled, released, unbegun (given back before their \
        start), or lost (the lease was over first).
        """)
    private static let heartbeatAge = MetricFamily(
        "ofa_worker_process_heartbeat_age_seconds", .gauge,
        "Time since the database last acknowledged a heartbeat of this worker.")
    private static let heartbeatDelay = MetricFamily(
        "ofa_worker_process_heartbeat_delay_max_seconds", .gauge,
        "The largest delay of a heartbeat so far; it should stay below a sixth of the lease.")
    private static let images = MetricFamily(
        "ofa_worker_process_images_per_second", .gauge, labels: jobLabels,
        "Images that a job of this worker trains in a second.")
    private static let progress = MetricFamily(
        "ofa_worker_process_job_progress_ratio", .gauge, labels: jobLabels,
        "The part of a job of this worker that is done, 0 to 1.")
    private static let memory = MetricFamily(
        "ofa_worker_process_resident_memory_bytes", .gauge, "Resident memory of this process.")
    private static let cpu = MetricFamily(
        "ofa_worker_process_cpu_seconds_total", .counter, "Processor time of this process.")
    private static let attemptCPU = MetricFamily(
        "ofa_worker_process_attempt_cpu_seconds_total", .counter,
        "Processor time of this worker's attempts, up to the last report of energy.")
    private static let energy = MetricFamily(
        "ofa_worker_process_machine_energy_joules_total", .counter,
        """
        Energy of the whole machine, with other programs, that this process metered. Workers of one machine meter the \
        same energy: do not add them up.
        """)

    /// Returns the metrics as text. It does not wait, except for locks that are held for microseconds. `memoryBytes` and
    /// `cpuNs` are nil if they are unknown.
    public static func text(
        _ reading: WorkerReading, _ metered: AttemptMeter.Metered, memoryBytes: Int64?,
        cpuNs: Int64?
    ) -> String {
        var text = MetricsText()
        text.add(slots, [], Double(reading.slots))
        text.add(busy, [], Double(reading.busySlots))
        text.add(claims, [], Double(reading.claims))
        for outcome in AttemptOutcome.allCases {
            text.add(attempts, [outcome.rawValue], Double(reading.ended[outcome] ?? 0))
        }
        if let age = reading.heartbeatAgeSeconds { text.add(heartbeatAge, [], age) }
        text.add(heartbeatDelay, [], reading.heartbeatDelaySeconds)
        for job in reading.jobs {
            let labels = [
                "\(job.lease.runID)", job.lease.stage, job.lease.kind, "\(job.lease.jobID)",
            ]
            text.add(progress, labels, job.fraction)
            if let rate = job.imagesPerSecond { text.add(images, labels, rate) }
        }
        if let memoryBytes { text.add(memory, [], Double(memoryBytes)) }
        if let cpuNs { text.add(cpu, [], Double(cpuNs) / 1e9) }
        text.add(attemptCPU, [], Double(metered.attemptCPUNs) / 1e9)
        text.add(energy, [], Double(metered.machineMicrojoules) / 1e6)
        return text.text
    }

    /// Returns the metrics of this process's worker.
    public static func text(_ worker: Worker, _ meter: AttemptMeter) -> String {
        let cpuNs: Int64?
        do { cpuNs = try Clocks.processCPUNanoseconds() } catch {
            cpuNs = nil  // Without a clock there is no figure.
        }
        return text(
            worker.reading, meter.metered, memoryBytes: ProcessMemory.residentBytes(), cpuNs: cpuNs)
    }
}
