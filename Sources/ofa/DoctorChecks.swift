// The checks of `ofa doctor`, one function each.

import Accounting
import Artifacts
import Datasets
import Foundation
import Metering
import Postgres
import Schema
import Tensors

/// The checks of this machine.
struct DoctorChecks {
    /// The database that commands with the same options would use.
    let database: DatabaseOptions

    /// Runs all checks and returns their results. An error thrown by a check is a failure of that check.
    func all() -> [DoctorCheck] {
        let checks: [(name: String, body: (String) throws -> DoctorCheck)] = [
            ("postgresql", postgresql), ("database", databaseState), ("store", store),
            ("machine", machine),
            ("engine", engine),
            ("kernels", kernels),
            ("data sets", dataSets), ("disk", disk), ("clock", clock), ("energy", energy),
        ]
        return checks.map { name, body in
            do {
                return try body(name)
            } catch {
                let lines = Output.describe(error).split(separator: "\n", maxSplits: 1).map(
                    String.init)
                return .fail(name, lines.first ?? "\(error)", remedy: lines.dropFirst().first)
            }
        }
    }

    // MARK: Database

    private func postgresql(_ name: String) throws -> DoctorCheck {
        do {
            let binaries = try ServerBinaries.find()
            return .ok(name, "PostgreSQL \(binaries.majorVersion) in \(binaries.folder)")
        } catch let error as PostgresError where database.given != nil {
            return .warn(
                name, error.message, remedy: "Only needed for the private server and for backups.")
        }
    }

    private func databaseState(_ name: String) throws -> DoctorCheck {
        guard let url = try reachableURL() else {
            let status = try DatabaseOptions.privateServer.status()
            if let version = status.majorVersion {
                _ = try ServerBinaries.find(majorVersion: version)
            }
            return .ok(
                name,
                status.state == .absent
                    ? "none yet: a private server is made in \(DatabaseOptions.home) when it is first needed"
                    : "the private server of \(status.dataFolder) is stopped: it is started when needed"
            )
        }
        let row = try Connection(url: url, applicationName: "ofa doctor").queryOne(.serverClock)
        return .ok(
            name,
            "\(database.given == nil ? "the private server" : "the given server") answers, version \(try row.text("version"))"
        )
    }

    private func store(_ name: String) throws -> DoctorCheck {
        guard let url = try reachableURL() else { return .ok(name, "no database yet") }
        let connection = try Connection(url: url, applicationName: "ofa doctor")
        guard try StoreRule.pathToBackUp(connection) != nil,
            let rule = try StoreRule.current(connection)
        else { return .ok(name, "all blobs are in the database") }
        return .ok(name, "the folder \(try rule.pathHere()) is here")
    }

    /// Returns the URL of the given database, or of the private server; nil if the private server does not run.
    private func reachableURL() throws -> String? {
        try database.given ?? DatabaseOptions.privateServer.status().url
    }

    // MARK: Engine

    private func engine(_ name: String) -> DoctorCheck {
        let cores = MachineLimits.current().processors.value
        return .ok(
            name,
            "\(cores) cores; the engine's own kernels, OpenBLAS (\(BLASCore.current)) for elastic filters and linear equations"
        )
    }

    private func kernels(_ name: String) throws -> DoctorCheck {
        let used = try InstructionSet.fromEnvironment()
        let results = try KernelSelfTest().run()
        let tried = results.map { "\($0.instructionSet) \(String(format: "%.0e", $0.deviation))" }
            .joined(separator: ", ")
        let detail = "\(used) in use; largest deviation from scalar kernels: \(tried)"
        guard let wrong = results.first(where: { !($0.deviation <= KernelSelfTest.tolerance) })
        else { return .ok(name, detail) }
        return .fail(
            name, detail,
            remedy:
                "Results of \(wrong.instructionSet) are wrong on this machine: set OFA_ISA=scalar and report it."
        )
    }

    // MARK: Machine

    private func machine(_ name: String) -> DoctorCheck {
        let limits = MachineLimits.current()
        func text(_ what: String, _ bound: MachineLimits.Bound) -> String {
            bound.isLimit ? "\(what), bound by \(bound.reason)" : what
        }
        let count = limits.processors.value
        return .ok(
            name,
            text("\(count) \(count == 1 ? "processor" : "processors")", limits.processors) + "; "
                + text("\(limits.memoryMB) MB", limits.memory))
    }

    private func dataSets(_ name: String) throws -> DoctorCheck {
        let folder = "/usr/share/datasets/fashion-mnist"
        let files = ImageShard.idxNames
        let missing = [files.trainImages, files.trainLabels, files.testImages, files.testLabels]
            .filter {
                !FileManager.default.isReadableFile(atPath: "\(folder)/\($0)")
            }
        guard !missing.isEmpty else { return .ok(name, "fashion-mnist in \(folder)") }
        return .warn(
            name, "fashion-mnist: \(missing.joined(separator: ", ")) not in \(folder)",
            remedy:
                "On Debian or Ubuntu: apt-get install dataset-fashion-mnist. Elsewhere: name your folder with"
                + " --set stages.data.folder=….")
    }

    private func disk(_ name: String) throws -> DoctorCheck {
        var folder = URL(fileURLWithPath: DatabaseOptions.home).standardizedFileURL.path
        while !FileManager.default.fileExists(atPath: folder), folder != "/" {
            folder = (folder as NSString).deletingLastPathComponent
        }
        let attributes = try FileManager.default.attributesOfFileSystem(forPath: folder)
        let free = (attributes[.systemFreeSize] as? NSNumber)?.intValue ?? 0
        let detail = "\(Format.bytes(free)) free at \(DatabaseOptions.home)"
        let remedy = "Free some space, or set OFA_HOME to a folder on another disk."
        // A new database needs 100 MB; the quick pipeline with its checkpoints and cache uses about 300 MB.
        if free < 100_000_000 { return .fail(name, detail, remedy: remedy) }
        return free < 1_000_000_000 ? .warn(name, detail, remedy: remedy) : .ok(name, detail)
    }

    private func clock(_ name: String) throws -> DoctorCheck {
        var last = try Clocks.monotonicNanoseconds()
        for _ in 0..<1000 {
            let now = try Clocks.monotonicNanoseconds()
            guard now >= last else {
                return .fail(
                    name, "the monotonic clock ran backwards",
                    remedy: "Nothing can be metered here: check the clock source.")
            }
            last = now
        }
        guard let url = try reachableURL() else {
            return .ok(name, "monotonic; the database's clock is not read while it is stopped")
        }
        let connection = try Connection(url: url, applicationName: "ofa doctor")
        let before = Date()
        let server = try connection.queryOne(.serverClock).date("now")
        let middle = before.addingTimeInterval(Date().timeIntervalSince(before) / 2)
        let offset = server.timeIntervalSince(middle)
        let detail =
            "monotonic; the database's clock is \(Format.decimal(abs(offset), 3)) s \(offset < 0 ? "behind" : "ahead")"
        guard abs(offset) > 5 else { return .ok(name, detail) }
        return .warn(
            name, detail,
            remedy: "Leases and times follow the database's clock; set both machines by NTP.")
    }

    private func energy(_ name: String) throws -> DoctorCheck {
        let survey = RAPL.survey()
        let gpus = GPUs().map { "; GPU counters: \($0.names.joined(separator: ", "))" } ?? ""
        guard survey.domains.isEmpty else {
            let mirrors = survey.mirrors.map {
                "; \($0.domain.name) repeats \($0.original.name) and is not counted"
            }
            return .ok(
                name,
                "RAPL counters: " + survey.domains.map(\.name).joined(separator: ", ")
                    + mirrors.joined() + gpus)
        }
        let host = try HostDescription.current(stated: try stated())
        let detail =
            "no counter is readable; modelled (tier M) from \(Format.decimal(host.rating.watts, 0)) W for"
            + " \(host.rating.threads) threads, \(host.rating.source)\(gpus)"
        guard host.rating == .assumed else { return .ok(name, detail) }
        return .warn(
            name, detail,
            remedy:
                "Give the processor's rating (ofa host set --rated-watts, --host-threads), or run as root where there is RAPL."
        )
    }

    /// Returns what is stated of this machine's rating; nothing if there is no current database.
    private func stated() throws -> StatedRating {
        guard let url = try reachableURL() else { return StatedRating() }
        let connection = try Connection(url: url, applicationName: "ofa doctor")
        guard try Migrator(connection).state() == .current else { return StatedRating() }
        return try HostLedger(connection).this().stated?.setting.rating ?? StatedRating()
    }
}
