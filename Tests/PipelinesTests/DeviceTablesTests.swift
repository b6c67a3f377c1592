// Which latency tables a device may use: those of its batch size and threads, measured by today's method.

import Artifacts
import Devices
import Foundation
import Jobs
import Networks
import Postgres
import Tensors
import TestSupport
import Testing

@testable import Pipelines

@Suite struct DeviceTablesTests {
    @Test(
        "a table measured on this machine serves every computer of its space and batch, one from elsewhere none"
    )
    func tableOfThisMachine() throws {
        let database = try TemporaryDatabase()
        let connection = try database.connect()
        let store = ArtifactStore(connection)
        func table(
            _ name: String, host: String?, batch: Int, method: String? = LatencyMeasurement.method,
            threads: Int? = nil
        ) throws -> ArtifactID {
            var known = #""space":"fashion-mbv3","batch":\#(batch)"#
            if let method { known += #","method":"\#(method)""# }
            if let threads { known += #","threads":\#(threads)"# }
            if let host { known += #","host":"\#(host)""# }
            return try store.insert(
                Artifact.New(
                    broughtAs: ArtifactRole.latencyTable.rawValue, name: name,
                    digest: BlobStore(connection).put(Array(name.utf8), elementSize: 1),
                    metadataJSON: "{\(known)}"))
        }
        let here = ProcessInfo.processInfo.hostName
        let devices = DeviceStore(connection)
        #expect(try devices.tableOfThisMachine(space: .fashion, batch: 1) == nil)
        _ = try table("elsewhere", host: "not-" + here, batch: 1)
        _ = try table("brought", host: nil, batch: 1)
        #expect(try devices.tableOfThisMachine(space: .fashion, batch: 1) == nil)
        let old = try table("old", host: here, batch: 1)
        let new = try table("new", host: here, batch: 1)
        #expect(old < new)
        #expect(try devices.tableOfThisMachine(space: .fashion, batch: 1) == new)
        #expect(try devices.tableOfThisMachine(space: .fashion, batch: 8) == nil)
        let two = try table("two", host: here, batch: 1, threads: 2)
        #expect(try devices.tableOfThisMachine(space: .fashion, batch: 1) == new)
        #expect(try devices.tableOfThisMachine(space: .fashion, batch: 1, threads: 2) == two)
        // Tables of networks that were not compiled name no method.
        _ = try table("in place", host: here, batch: 1, method: nil)
        #expect(try devices.tableOfThisMachine(space: .fashion, batch: 1) == new)
        #expect(
            try devices.tableOfThisMachine(
                space: try SearchSpace.named("ofa-mbv3-w1.0"), batch: 1) == nil)
    }

    @Test(
        "a table that was measured reaches the device it was measured for, not another of its name")
    func tableOfAnother() throws {
        let database = try TemporaryDatabase()
        let connection = try database.connect()
        let devices = DeviceStore(connection)
        let table = try devices.importTable(LatencyTable(), name: "t")
        let measured = DeviceTarget(name: "d", kind: .computer, limits: .init(latencyMsMax: 1))
        for other in [
            DeviceTarget(name: "d", kind: .phone, limits: .init(latencyMsMax: 1)),
            DeviceTarget(name: "d", kind: .computer, limits: .init(latencyMsMax: 1), batch: 8),
            DeviceTarget(name: "d", kind: .computer, limits: .init(latencyMsMax: 1), threads: 2),
        ] {
            #expect(try !devices.remove("d") || devices.find("d") == nil)
            try devices.save(other)
            try devices.setLatencyTable(table, of: measured)
            #expect(try devices.find("d")?.latencyTable == nil)
        }
        try devices.save(measured)
        try devices.setLatencyTable(table, of: measured)
        #expect(try devices.find("d")?.latencyTable == table)
        #expect(try devices.remove("d") && devices.find("d") == nil && !devices.remove("d"))
    }

    @Test("a table of two threads reaches a device of two, which loses it with another number")
    func tableOfThreads() throws {
        let database = try TemporaryDatabase()
        let connection = try database.connect()
        let devices = DeviceStore(connection), store = ArtifactStore(connection)
        let table = try store.insert(
            Artifact.New(
                broughtAs: ArtifactRole.latencyTable.rawValue, name: "t",
                digest: BlobStore(connection).put(
                    Array(try JSONText.encode(LatencyTable()).utf8), elementSize: 1),
                metadataJSON: #"{"batch":1,"threads":2}"#))
        func device(_ threads: Int, _ limit: Double = 1) -> DeviceTarget {
            DeviceTarget(
                name: "d", kind: .computer, limits: .init(latencyMsMax: limit), threads: threads)
        }
        try devices.save(device(1))
        #expect(try !devices.setLatencyTable(table, of: device(1)))
        try devices.save(device(2))
        #expect(try devices.setLatencyTable(table, of: device(2)))
        try devices.save(device(2, 5))
        #expect(try devices.find("d")?.latencyTable == table)
        try devices.checkTable(try store.get(table), for: device(2))
        let error = #expect(throws: PipelineError.self) {
            try devices.checkTable(try store.get(table), for: device(1))
        }
        #expect(error?.code == .mismatch && error?.message.contains("2 threads") == true)
        try devices.save(device(3))
        #expect(try devices.find("d")?.latencyTable == nil)
        #expect(try devices.find("d")?.target.threads == 3)
    }

    @Test("each number of threads has a table, and its measurement reserves as many processors")
    func threads() throws {
        let devices = [("a", 1), ("b", 2), ("c", 2)].map { name, threads in
            StoredDevice(
                target: DeviceTarget(
                    name: name, kind: .computer, limits: .init(latencyMsMax: 1), threads: threads),
                latencyTable: nil)
        }
        let sources = Specialization.Sources(
            run: 4, space: .fashion, seed: 1,
            artifacts: [
                .supernet: ArtifactID(rawValue: 1), .predictor: ArtifactID(rawValue: 2),
                .dataset: ArtifactID(rawValue: 3), .testImages: ArtifactID(rawValue: 4),
            ])
        let spec = try Specialization.runSpec(devices, from: sources)
        let jobs = spec.stages.flatMap { stage in stage.jobs.map { (stage.name, $0) } }
        #expect(
            jobs.filter { $0.1.kind == "measure-device" }.map { $0.0 } == [
                "measure-a", "measure-b",
            ])
        for (name, job) in jobs
        where ["measure", "network"].contains(name.split(separator: "-")[0]) {
            #expect(job.threads == (name.hasSuffix("-a") ? 0 : 2), "\(name)")
        }
    }

    @Test("a table of this machine is reused only if today's measurement times the same")
    func origins() throws {
        let weights = try Weights(supernetOf: .tiny(), seed: 1)
        let one = try LatencyMeasurement(supernet: weights, batch: 1)
        let two = try LatencyMeasurement(supernet: weights, batch: 1, threads: 2)
        let here = ProcessInfo.processInfo.hostName, set = one.instructionSet
        func difference(_ fields: [String: Any], _ measurement: LatencyMeasurement) throws
            -> String?
        {
            try JSONDecoder().decode(
                MeasureDeviceStage.Origin.self,
                from: JSONSerialization.data(withJSONObject: fields)
            ).difference(from: measurement)
        }
        let own: [String: Any] = [
            "host": here, "instructionSet": set, "method": LatencyMeasurement.method,
        ]
        #expect(try difference(own, one) == nil)
        #expect(try difference([:], two) == nil)
        #expect(try difference(own, two) == "on 1 threads")
        #expect(try difference(own.merging(["threads": 2]) { $1 }, two) == nil)
        #expect(try difference(own.merging(["threads": 2]) { $1 }, one) == "on 2 threads")
        #expect(try difference(own.merging(["host": "far"]) { $1 }, one) == "on far")
        #expect(try difference(["host": here, "instructionSet": set], one) == "by another method")
        #expect(
            try difference(own.merging(["instructionSet": "none"]) { $1 }, one)
                == "with none kernels")
    }

    @Test("a computer's table of an earlier method is outdated, one given by its user is not")
    func outdated() throws {
        func device(_ kind: DeviceTarget.Kind, _ metadata: String) throws -> StoredDevice {
            StoredDevice(
                target: DeviceTarget(name: "d", kind: kind, limits: Constraints()),
                latencyTable: ArtifactID(rawValue: 1),
                summary: try JSONDecoder().decode(
                    LatencyTableSummary.self, from: Data(metadata.utf8)))
        }
        #expect(try device(.computer, #"{"host":"h"}"#).hasOutdatedTable)
        #expect(try !device(.phone, #"{"host":"h"}"#).hasOutdatedTable)
        #expect(try !device(.computer, #"{"entries":3}"#).hasOutdatedTable)
        let today = #"{"host":"h","method":"\#(LatencyMeasurement.method)"}"#
        #expect(try !device(.computer, today).hasOutdatedTable)
    }

    @Test("a table says how it differs from today's measurement, as far as that is recorded")
    func difference() throws {
        func summary(_ metadata: String) throws -> LatencyTableSummary {
            try JSONDecoder().decode(LatencyTableSummary.self, from: Data(metadata.utf8))
        }
        let method = LatencyMeasurement.method
        let old = try summary(#"{"host":"h","threads":2}"#)
        #expect(
            old.difference(threads: 1)
                == "was measured by an earlier method (of networks that were not compiled) than today's"
                + " (\(method)) and on 2 threads instead of 1")
        #expect(
            try summary(#"{"host":"h","method":"m"}"#).difference(threads: 1)
                == "was measured by an earlier method (m) than today's (\(method))")
        let today = try summary(#"{"host":"h","method":"\#(method)"}"#)
        #expect(today.difference(threads: 1) == nil && today.knownThreads == 1)
        #expect(
            today.difference(threads: 4) == "was measured on 1 thread instead of 4")
        #expect(today.knownOutdated == false && old.knownOutdated == true)
        // Another runtime measured this one, so it has no method of ours.
        let imported = try summary(#"{"threads":2}"#)
        #expect(imported.difference(threads: 2) == nil && imported.difference(threads: 1) != nil)
        #expect(imported.knownOutdated == nil)
        let given = try summary(#"{"entries":3}"#)
        #expect(given.difference(threads: 3) == nil && given.knownThreads == nil)
    }
}
