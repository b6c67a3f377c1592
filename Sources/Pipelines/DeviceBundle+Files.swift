// Writes bundles that measure other devices, and stores the tables of their results.

import Artifacts
import Devices
import Foundation
import Interchange
import Networks

extension DeviceBundle {
    /// Plans the bundle of `device` for `space` at `resolutions`; `networks` whole networks are drawn with the seed
    /// `seed`. Errors: those of `DeviceBundle.init`.
    public init(
        _ device: DeviceTarget, _ space: SearchSpace, resolutions: [Int], networks: Int,
        seed: UInt64
    ) throws {
        try self.init(
            Source(
                device: device.name, space: space.name, spaceHash: try space.definitionHash,
                batch: device.batch, resolutions: Set(resolutions).sorted(), networks: networks,
                seed: seed), space)
    }

    /// The text of manifest.json.
    public var manifest: String {
        get throws {
            struct Manifest: Encodable {
                let bundle: Source
                let entries: [Entry]
            }
            return try JSONText.encode(Manifest(bundle: source, entries: entries)) + "\n"
        }
    }

    /// The SHA-256 of manifest.json in hexadecimal.
    public var manifestDigest: String {
        get throws { Digest.of(Array(try manifest.utf8)).hex }
    }

    /// Writes the models, manifest.json and run.py into the existing folder `folder`. `progress` is called with the
    /// share of models written, 0…1. Returns the number of bytes written.
    public func write(to folder: URL, progress: (Double) throws -> Void = { _ in }) throws -> Int {
        var bytes = 0
        func write(_ data: Data, _ file: String) throws {
            let place = folder.appending(path: file)
            try FileManager.default.createDirectory(
                at: place.deletingLastPathComponent(), withIntermediateDirectories: true)
            try data.write(to: place)
            bytes += data.count
        }
        for (number, entry) in entries.enumerated() {
            // Weights do not affect timings, unless they overflow or vanish.
            let graph =
                entry.layers.isEmpty
                ? OperatorGraph(identity: [1, 1, 1])
                : try OperatorGraph(part: entry.layers, seed: source.seed)
            try write(Data(ONNXModel(graph, name: entry.name).encoded), entry.file)
            try progress(Double(number + 1) / Double(entries.count))
        }
        try write(Data(Self.runner.utf8), "run.py")
        // The manifest is written last: a bundle with a manifest is complete.
        try write(Data(try manifest.utf8), "manifest.json")
        return bytes
    }
}

extension DeviceStore {
    /// Stores the latency table of `results` for `device` and returns the table's metadata. The results must be those of
    /// a bundle of `space` for the device's batch size, measured on the device's number of threads.
    ///
    /// Errors: `mismatch` for results of another device, space, batch size, number of threads or bundle, or if the stored
    /// device was removed or its kind, batch size or number of threads changed; the errors of `DeviceBundle.table`.
    public func importResults(
        _ results: BundleResults, of device: DeviceTarget, _ space: SearchSpace
    ) throws -> ImportedTableMetadata {
        let source = results.source
        guard source.device == device.name else {
            throw PipelineError(
                .mismatch, "the results are of device \(source.device), not of \(device.name)",
                remedy: "import them as \(source.device)")
        }
        guard source.spaceHash == (try space.definitionHash) else {
            throw PipelineError(
                .mismatch,
                "the results are of space \(source.space) with hash \(source.spaceHash.prefix(12)), and space"
                    + " \(space.name) has \(try space.definitionHash.prefix(12))",
                remedy: "give the bundle's space with --space, or make the bundle anew")
        }
        guard source.batch == device.batch else {
            throw PipelineError(
                .mismatch,
                "the results are of batch size \(source.batch), and device \(device.name) has \(device.batch)",
                remedy: "make the bundle anew, or add a device with --batch \(source.batch)")
        }
        guard results.threads == device.threads else {
            throw PipelineError(
                .mismatch,
                "the results are of \(results.threads) threads, and device \(device.name) has \(device.threads)",
                remedy:
                    "measure with run.py --threads \(device.threads), or add a device with --threads"
                    + " \(results.threads)")
        }
        let bundle = try DeviceBundle(source, space)
        guard results.manifest == (try bundle.manifestDigest) else {
            throw PipelineError(
                .mismatch,
                "the results are of a manifest that this version of ofa does not make: its digest is"
                    + " \(results.manifest.prefix(12)), not \(try bundle.manifestDigest.prefix(12))",
                remedy: "make the bundle anew and measure again")
        }
        let found = try bundle.table(results)
        var table = found.table
        for resolution in source.resolutions {
            table[correctionOf: try space.tableName, resolution] = found.check.correction
        }
        let metadata = ImportedTableMetadata(
            device: device.name, space: space.name, spaceHash: source.spaceHash,
            batch: device.batch, entries: table.entries.values.reduce(0) { $0 + $1.count },
            resolutions: table.resolutions, meanError: found.check.heldOutError, check: found.check,
            manifest: results.manifest, runtime: results.runtime, provider: results.provider,
            machine: results.machine, threads: results.threads, runs: found.runs)
        let stored = try insertLatencyTable(table, of: device, metadata)
        guard try setLatencyTable(stored, of: device) else {
            throw PipelineError(
                .mismatch, "device \(device.name) was removed or replaced meanwhile",
                remedy: "look at ofa device show \(device.name), and import again")
        }
        return metadata
    }
}
