// A database, a folder with a tiny pipeline and its images, and an `ofa` that uses them.
import Devices
import Foundation
import Networks
import TestSupport
import Testing

/// Where one test runs commands.
final class CommandPlace {
    let database: TemporaryDatabase
    let folder: URL
    /// The pipeline file.
    var pipeline: String { folder.appending(path: "tiny.yaml").path }

    /// Makes the database and the pipeline file; `images` also writes the data set that the file
    /// names.
    init(images: Bool = false) throws {
        database = try TemporaryDatabase()
        folder = FileManager.default.temporaryDirectory.appending(
            path: "ofa-place-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try write(Self.tiny)
        if images { try writeImages() }
    }

    deinit {
        do {
            try FileManager.default.removeItem(at: folder)
        } catch {
            print("cannot remove \(folder.path): \(error)")
        }
    }

    /// Runs a command against the database, in the folder.
    func ofa(_ arguments: String..., environment: [String: String] = [:]) throws -> CommandRun {
        try ofa(arguments, environment: environment)
    }

    /// The same of a list.
    func ofa(_ arguments: [String], environment: [String: String] = [:]) throws -> CommandRun {
        try CommandRun(
            arguments, environment: self.environment.merging(environment) { $1 }, folder: folder)
    }

    /// The JSON document that a command prints; the command must end with exit code 0.
    func document(_ arguments: String...) throws -> [String: Any] {
        try document(arguments)
    }

    /// The same of a list.
    func document(_ arguments: [String]) throws -> [String: Any] {
        try #require(try parsed(arguments) as? [String: Any])
    }

    /// The JSON list that a command prints; the command must end with exit code 0.
    func list(_ arguments: String...) throws -> [[String: Any]] {
        try #require(try parsed(arguments) as? [[String: Any]])
    }

    private func parsed(_ arguments: [String]) throws -> Any {
        let run = try CommandRun(arguments + ["--json"], environment: environment, folder: folder)
        try #require(run.status == 0, "\(arguments): \(run.errors)")
        return try JSONSerialization.jsonObject(with: Data(run.output.utf8))
    }

    /// Writes images that break off within their compressed bytes: a run is enqueued, and its first stage fails.
    func spoilImages() throws {
        try writeImages()
        let images = folder.appending(path: "data/train-images-idx3-ubyte.gz")
        let bytes = try Data(contentsOf: images)
        try bytes.prefix(bytes.count / 2).write(to: images)
    }

    /// What the commands are told of the place.
    var environment: [String: String] {
        ["OFA_DATABASE_URL": database.url, "OFA_HOME": folder.appending(path: "home").path]
    }

    /// Replaces the pipeline file.
    func write(_ text: String) throws {
        try text.replacing("DATA", with: folder.appending(path: "data").path)
            .write(to: folder.appending(path: "tiny.yaml"), atomically: true, encoding: .utf8)
    }

    /// 400 images to train and 100 to test with: a class is a bright band over noise.
    private func writeImages() throws {
        let data = folder.appending(path: "data")
        try FileManager.default.createDirectory(at: data, withIntermediateDirectories: true)
        var state: UInt32 = 1
        for (name, count) in [("train", 400), ("t10k", 100)] {
            var pixels: [UInt8] = []
            var labels: [UInt8] = []
            for image in 0..<count {
                labels.append(UInt8(image % 10))
                for place in 0..<784 {
                    state = state &* 1_664_525 &+ 1_013_904_223
                    pixels.append(UInt8(state >> 26) + (place / 79 == image % 10 ? 150 : 0))
                }
            }
            try gzip(
                Self.idx([count, 28, 28], pixels), data.appending(path: "\(name)-images-idx3-ubyte")
            )
            try gzip(Self.idx([count], labels), data.appending(path: "\(name)-labels-idx1-ubyte"))
        }
    }

    /// Writes a comma-separated table with every part of fashion-mbv3 at these sizes, and returns its path.
    func table(_ name: String, unit: String = "ms", sizes: [Int] = [20, 28]) throws -> String {
        let rows = try sizes.flatMap { size in
            try LatencyKey.all(in: .fashion, resolution: size).enumerated().map {
                "\(size),\($1),\(Double($0 + size) / 1000)"
            }
        }
        let file = folder.appending(path: name)
        try (["resolution,key,\(unit)"] + rows).joined(separator: "\n").write(
            to: file, atomically: true, encoding: .utf8)
        return file.path
    }

    private static func idx(_ dimensions: [Int], _ values: [UInt8]) -> [UInt8] {
        [0, 0, 8, UInt8(dimensions.count)]
            + dimensions.flatMap { extent in
                (0..<4).reversed().map { UInt8(truncatingIfNeeded: extent >> (8 * $0)) }
            }
            + values
    }

    private func gzip(_ bytes: [UInt8], _ file: URL) throws {
        try Data(bytes).write(to: file)
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["gzip", "-n", file.path]
        try process.run()
        process.waitUntilExit()
    }

    /// Everything the quick pipeline does, in seconds.
    static let tiny = """
        name: tiny
        seed: 3
        space: fashion-mbv3
        devices:
          this-machine:
            kind: computer
            max_latency_ms: 50
        stages:
          data:
            kind: import-dataset
            dataset: tiny
            folder: DATA
            held_out: 100
          full:
            kind: train
            needs: [data]
            phase: full
            kernel_sizes: [3, 5, 7]
            expand_ratios: [3, 4, 6]
            depths: [2, 3]
            subnets: 2
            sampling: sandwich
            epochs: 0.3
            learning_rate: 0.05
            batch: 32
          accuracy:
            kind: sample-accuracy
            needs: [full]
            subnets: 12
            images: 50
            calibration_images: 64
            shards: 2
          predictor:
            kind: fit-predictor
            needs: [accuracy]
          latency:
            kind: measure-device
            needs: [full]
            device: this-machine
            repeats: 3
            whole_networks: 1
          search:
            kind: search
            needs: [predictor, latency]
            device: this-machine
          network:
            kind: materialise
            needs: [search]
            device: this-machine
            calibration_images: 64
          largest:
            kind: materialise
            needs: [full]
            network: largest
            calibration_images: 64
          smallest:
            kind: materialise
            needs: [full]
            network: smallest
            calibration_images: 64

        """
}
