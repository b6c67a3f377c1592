// How much of this machine the workers of one process may take: `ofa worker` and `ofa run` share
// these options.

import ArgumentParser
import Foundation
import Intake
import Jobs
import Metering
import Pipelines

/// The room of this process for jobs.
struct HostOptions: ParsableArguments {
    /// Processors in all.
    @Option(
        help: ArgumentHelp(
            "Processors that the jobs here keep busy together; this machine's otherwise.",
            valueName: "n"), transform: Number.whole(1...4096))
    var threads: Int?
    /// Memory in all.
    @Option(
        name: .customLong("memory-mb"),
        help: ArgumentHelp(
            "Megabytes that the jobs here may reserve together; this machine's otherwise.",
            valueName: "mb"), transform: Number.whole(1...1 << 30))
    var memoryMB: Int?
    /// Limits of kinds.
    @Option(
        help: ArgumentHelp(
            "How many stages of a kind may run here at once, such as train=1; may be repeated.",
            valueName: "kind=n"))
    var limit: [String] = []
    /// Jobs claimed at once.
    @Option(
        help: ArgumentHelp(
            "How many short jobs a worker takes in one round trip at most.", valueName: "n"),
        transform: Number.whole(1...10_000))
    var prefetch = 1

    /// The limits by kind.
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

    /// Refuses limits of kinds that there are none of.
    mutating func validate() throws {
        _ = try limits()
    }

    /// What `workers` workers of this process may take together.
    func room(workers: Int) throws -> HostRoom {
        HostRoom(
            workers: workers, threads: threads ?? HostRoom.machineThreads,
            memoryMB: memoryMB ?? HostRoom.machineMemoryMB, limits: try limits(),
            prefetch: prefetch)
    }
}

/// The room of one process: so many workers, and what they may take together.
struct HostRoom {
    /// The processors this process may use.
    static var machineThreads: Int { MachineLimits.current().processors.value }
    /// The megabytes that this process may use.
    static var machineMemoryMB: Int { MachineLimits.current().memoryMB }

    /// How many workers.
    var workers = 1
    /// Processors in all.
    var threads = HostRoom.machineThreads
    /// Megabytes in all.
    var memoryMB = HostRoom.machineMemoryMB
    /// How many jobs of a kind at once.
    var limits: [String: Int] = [:]
    /// Jobs a worker claims at once at most.
    var prefetch = 1

    /// The threads of a worker whose job reserves none.
    var threadsEach: Int { max(1, threads / workers) }

    /// The budget that the workers share. With more workers than processors nothing is reserved for
    /// jobs that reserve nothing themselves.
    var budget: HostBudget {
        HostBudget(
            threads: threads, memoryMB: memoryMB, limits: limits, share: threads / workers)
    }

    /// Names the jobs that no worker of this process can ever take, one line each.
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
