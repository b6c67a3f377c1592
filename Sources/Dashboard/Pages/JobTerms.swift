// JobTerms: how a job is queued, in words.

import Jobs

/// How a job is queued: queue, priority, key, reservations and limits.
enum JobTerms {
    /// Returns the terms of a job with their names.
    static func facts(_ job: JobDetails) -> [(name: String, value: String)] {
        var facts = [
            (name: "queue", value: job.queue), (name: "priority", value: "\(job.priority)"),
        ]
        if let key = job.key { facts.append(("key", key)) }
        if job.threads > 0 {
            facts.append(("reserves", RunFigures.count(job.threads, "processor")))
        }
        if job.memoryMB > 0 { facts.append(("memory", "\(job.memoryMB) MB")) }
        var limits = ["up to \(RunFigures.count(job.maxAttempts, "attempt"))"]
        if let seconds = job.timeoutSeconds { limits.append("\(Parts.duration(seconds)) each") }
        if let seconds = job.stallSeconds {
            limits.append("no longer than \(Parts.duration(seconds)) without progress")
        }
        facts.append(("limits", limits.joined(separator: ", ")))
        if job.lost > 0 { facts.append(("lost with their worker", "\(job.lost)")) }
        if job.crashes > 0 { facts.append(("crashes", "\(job.crashes)")) }
        if job.isQuarantined {
            facts.append(("quarantine", "workers crashed on it: it will be run alone"))
        }
        return facts
    }
}
