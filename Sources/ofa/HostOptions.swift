// The options of `ofa worker` and `ofa run` for the resource limits and settings of this process's worker.

import ArgumentParser
import Foundation
import Intake
import Jobs
import Metering
import Pipelines
import Postgres

/// The options for the resources of this process's worker.
struct HostOptions: ParsableArguments {
    /// The total number of processors that concurrent jobs may reserve; nil for all that this process may use.
    @Option(
        help: ArgumentHelp(
            "The most processors for jobs of this process; by default this machine's.",
            valueName: "n"), transform: Number.whole(1...4096))
    var threads: Int?
    /// The total megabytes that concurrent jobs may reserve; nil for all that this process may use.
    @Option(
        name: .customLong("memory-mb"),
        help: ArgumentHelp(
            "The most megabytes for jobs of this process; by default this machine's.",
            valueName: "mb"), transform: Number.whole(1...1 << 30))
    var memoryMB: Int?
    /// The maximum number of concurrent jobs of each listed kind, in the form `kind=n`.
    @Option(
        help: ArgumentHelp(
            "The most concurrent stages of a kind, such as train=1; may be repeated.",
            valueName: "kind=n"))
    var limit: [String] = []
    /// The maximum number of short jobs to prefetch per slot (a thread that runs one job at a time).
    @Option(
        help: ArgumentHelp(
            "The most short jobs to prefetch per slot.", valueName: "n"),
        transform: Number.whole(1...10_000))
    var prefetch = 100
    /// The machine's capabilities, separated by commas.
    @Option(
        help: ArgumentHelp(
            "Capabilities of this machine for stages that require them, separated by commas, such as gpu,device:my-board.",
            valueName: "list"))
    var offers: String?
    /// How many seconds a lease lasts without a heartbeat.
    @Option(
        help: ArgumentHelp(
            "Seconds without contact after which this worker's jobs go to others; it stops them after two thirds. 2 to 3600.",
            valueName: "seconds"), transform: Number.whole(2...3600))
    var lease = 10
    /// The statement timeout in seconds.
    @Option(
        name: .customLong("statement-seconds"),
        help: ArgumentHelp(
            "The longest a statement of this worker may run. 1 to 3600.", valueName: "seconds"),
        transform: Number.whole(1...3600))
    var statementSeconds = 60

    /// Returns the capabilities of `offers`.
    private func offerList() throws -> [String] {
        var list: [String] = []
        for part in (offers ?? "").split(separator: ",") {
            do {
                list.append(
                    try TextRule.name.checked(part.trimmingCharacters(in: .whitespaces)))
            } catch {
                throw ValidationError("--offers: \(error.reason)", remedy: error.remedy)
            }
        }
        return list
    }

    /// Returns the limits of `--limit` by kind.
    private func limits() throws -> [String: Int] {
        let known = StageKind.allCases.map(\.rawValue)
        var limits: [String: Int] = [:]
        for text in limit {
            let parts = text.split(separator: "=", omittingEmptySubsequences: false)
            guard parts.count == 2 else {
                throw ValidationError(
                    "--limit \(text)", remedy: "write it as kind=n, such as train=1")
            }
            let kind = String(parts[0])
            guard known.contains(kind) else {
                throw ValidationError(
                    "--limit names '\(kind)'", remedy: NearestName.remedy(kind, known: known))
            }
            do {
                limits[kind] = try DecimalNumber.whole(String(parts[1]), in: 1...10_000)
            } catch {
                throw ValidationError(
                    "--limit \(text): the number \(error.reason)", remedy: error.remedy)
            }
        }
        return limits
    }

    /// Refuses invalid limits and capabilities.
    mutating func validate() throws {
        _ = try limits()
        _ = try offerList()
    }

    /// Returns the resources of this process with `slots` slots.
    func room(slots: Int) throws -> HostRoom {
        HostRoom(
            slots: slots, threads: threads ?? HostRoom.machineThreads,
            memoryMB: memoryMB ?? HostRoom.machineMemoryMB, kindLimits: try limits(),
            prefetch: prefetch, offers: try offerList(), leaseSeconds: Double(lease),
            statementSeconds: Double(statementSeconds))
    }
}

/// The resources of one process's worker: its slots, and the processors and memory that they share.
struct HostRoom {
    /// The number of processors that this process may use.
    static var machineThreads: Int { MachineLimits.current().processors.value }
    /// The megabytes that this process may use.
    static var machineMemoryMB: Int { MachineLimits.current().memoryMB }

    /// The maximum number of concurrent jobs.
    var slots = 1
    /// The total number of processors that concurrent jobs may reserve.
    var threads = HostRoom.machineThreads
    /// The total megabytes that concurrent jobs may reserve.
    var memoryMB = HostRoom.machineMemoryMB
    /// The maximum number of concurrent jobs by kind; kinds that are absent have no limit of their own.
    var kindLimits: [String: Int] = [:]
    /// The maximum number of jobs to prefetch per slot.
    var prefetch = 100
    /// The machine's capabilities for stages that require them.
    var offers: [String] = []
    /// How long a lease lasts without a heartbeat, in seconds.
    var leaseSeconds = 10.0
    /// How long a statement of the worker may run, in seconds.
    var statementSeconds = 60.0

    /// The number of threads of a job that reserves no processors.
    var threadsEach: Int { max(1, threads / slots) }

    /// The budget shared by the slots. With more slots than processors, a job without a reservation counts as 0
    /// processors.
    var budget: HostBudget {
        HostBudget(
            threads: threads, memoryMB: memoryMB, limits: kindLimits, share: threads / slots,
            slots: slots)
    }

    /// The limits of the worker's database sessions: an idle transaction is terminated after the lease duration, or
    /// after a minute if the lease is longer.
    var limits: SessionLimits {
        SessionLimits(
            statementTimeoutSeconds: statementSeconds,
            idleInTransactionTimeoutSeconds: min(60, max(1, leaseSeconds)))
    }

    /// Returns one line of text for each stage with an unfinished job that reserves more processors or memory than this
    /// process has.
    func misfits(among jobs: [JobDetails]) -> [String] {
        let open = jobs.filter { ![.completed, .cancelled, .discarded].contains($0.state) }
        var lines: [String] = []
        for job in open {
            var wants: [String] = []
            if job.threads > threads { wants.append("\(job.threads) processors of \(threads)") }
            if job.memoryMB > memoryMB { wants.append("\(job.memoryMB) MB of \(memoryMB)") }
            if wants.isEmpty { continue }
            let line =
                "  \(job.stage): reserves \(wants.joined(separator: " and ")); it waits for a larger worker"
            if !lines.contains(line) { lines.append(line) }
        }
        return lines
    }
}
