// A pipeline that trains for seconds: its data set, its file, and a place for its cache.
import Foundation
import Jobs
import Postgres
import TestSupport
import Testing

/// A folder with a data set and a pipeline file, and a home for `ofa`.
final class TinyPipeline {
    /// The pipeline file.
    let path: String
    private let folder: String

    init(
        epochs: Int = 10, learningRate: Double = 0.02, checkpointSeconds: Double = 0.2,
        keys: String = ""
    ) throws {
        folder = try TemporaryFolder.make(prefix: "ofa-fault")
        let train = TinyImages(count: 400, size: 28, classes: 10, seed: 1)
        let test = TinyImages(count: 100, size: 28, classes: 10, seed: 2)
        try train.write(
            to: folder, images: "train-images-idx3-ubyte.gz", labels: "train-labels-idx1-ubyte.gz")
        try test.write(
            to: folder, images: "t10k-images-idx3-ubyte.gz", labels: "t10k-labels-idx1-ubyte.gz")
        path = folder + "/tiny.yaml"
        // Random subnets, distillation, dropout and crops: everything that a resumed run must draw again.
        let text = """
            name: tiny
            seed: 5
            space: fashion-mbv3
            stages:
              data: {kind: import-dataset, dataset: tiny, folder: \(folder), held_out: 80}
              full: {kind: train, needs: [data], phase: full, epochs: 2, batch: 16, learning_rate: 0.05, resolutions: [20, 24]}
              shrink:
                kind: train
                needs: [full]
                phase: expand
                from: full
                teacher: full
                kernel_sizes: [3, 5, 7]
                depths: [2, 3]
                expand_ratios: [3, 4, 6]
                resolutions: [20, 24]
                subnets: 2
                sort_channels: true
                dropout: 0.1
                augmentation: {min_area: 0.7}
                batch: 16
                epochs: \(epochs)
                learning_rate: \(learningRate)
                checkpoint_seconds: \(checkpointSeconds)
                \(keys)
            """
        try text.write(toFile: path, atomically: true, encoding: .utf8)
    }

    deinit {
        do { try FileManager.default.removeItem(atPath: folder) } catch {
            print("\(folder) stays: \(error)")
        }
    }

    /// What `ofa` is given to find the database and its own files.
    func environment(_ databaseURL: String) -> [String: String] {
        ["OFA_DATABASE_URL": databaseURL, "OFA_HOME": folder + "/home"]
    }

    /// Starts `ofa run` of this pipeline.
    func start(_ databaseURL: String) throws -> RunningCommand {
        try RunningCommand(["run", path], environment: environment(databaseURL))
    }

    /// Waits, while `command` runs, until stage `shrink` has saved a checkpoint and has passed `share` according to
    /// `ofa status`.
    func wait(until share: Double, _ command: RunningCommand, _ databaseURL: String) throws {
        struct Status: Decodable {
            struct Stage: Decodable {
                let name: String
                let progress: Double
            }
            let stages: [Stage]
        }
        while command.isRunning {
            let status = try CommandRun(
                ["status", "--json"], environment: environment(databaseURL))
            if status.status == 0 {
                let stages = try JSONDecoder().decode(Status.self, from: Data(status.output.utf8))
                    .stages
                let progress = stages.first { $0.name == "shrink" }?.progress ?? 0
                if try progress > share && hasCheckpoint(databaseURL) {
                    try #require(
                        progress < 0.95, "the stage ended before it could be disturbed: \(progress)"
                    )
                    return
                }
            }
            Thread.sleep(forTimeInterval: 0.1)
        }
        Issue.record("ofa run ended early with \(command.wait()): \(command.errors)")
    }

    private func hasCheckpoint(_ databaseURL: String) throws -> Bool {
        let count = Statement(name: "Checkpoints", sql: "select count(*) as n from ofa.checkpoint")
        return try Connection(url: databaseURL, applicationName: "test").queryOne(count).int("n")
            > 0
    }

    /// The digests of the supernets of the only run, in the order they were made.
    static func supernets(_ connection: Connection) throws -> [String] {
        let statement = Statement(
            name: "SupernetDigests",
            sql:
                "select encode(digest, 'hex') as digest from ofa.artifact where kind = 'supernet' order by id"
        )
        return try connection.query(statement).map { try $0.text("digest") }
    }

    /// The supernets of a run that nothing disturbed, in a database of its own; made once.
    static func undisturbed() throws -> [String] { try reference.get() }

    private static let reference = Result {
        let pipeline = try TinyPipeline(), database = try TemporaryDatabase()
        let run = try CommandRun(
            ["run", pipeline.path], environment: pipeline.environment(database.url))
        try #require(run.status == 0, "the undisturbed run failed: \(run.errors)")
        return try supernets(try database.connect())
    }
}
