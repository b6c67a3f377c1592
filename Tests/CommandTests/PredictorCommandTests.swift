// `ofa predictor` with the published predictor, and searches and costs with it, all without a database.
import Foundation
import TestSupport
import Testing

private let isPublished =
    SharedFolders.published("note10") != nil && SharedFolders.published("acc_predictor.pth") != nil

@Suite struct PredictorCommandTests {
    private let nowhere = ["OFA_DATABASE_URL": "postgresql:///none?host=/nowhere"]

    private func object(_ text: String) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    }

    private func paths() throws -> (predictor: String, tables: String) {
        (
            try #require(SharedFolders.published("acc_predictor.pth")).path,
            try #require(SharedFolders.published("note10")).path
        )
    }

    @Test("a file that is no predictor, a space there is none of, and wrong sizes are errors")
    func refused() throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "p-\(UUID().uuidString)")
        try Data("PK no checkpoint".utf8).write(to: file)
        defer { #expect(throws: Never.self) { try FileManager.default.removeItem(at: file) } }
        let wrong = try CommandRun(
            ["predictor", "import", file.path, "--space", "ofa-mbv3-w1.2", "-o", "x"],
            environment: nowhere)
        #expect(wrong.status == 1)
        #expect(wrong.errors.contains("is not an accuracy predictor: give"))
        #expect(
            try CommandRun(["predictor", "import", "/none", "--space", "ofa-mbv3-w1.2"]).status == 2
        )
        #expect(
            try CommandRun(["predictor", "import", file.path, "--space", "nothing"]).status == 2)
        #expect(
            try CommandRun([
                "predictor", "import", file.path, "--space", "fashion-mbv3", "--resolutions", "x",
            ]).status == 64)
    }

    @Test(
        "the published predictor is imported to a file, shown, and refused for another width",
        .enabled(if: isPublished, "\(SharedFolders.publishedHint)"))
    func imported() throws {
        let (predictor, _) = try paths()
        let file = FileManager.default.temporaryDirectory.appending(path: "p-\(UUID().uuidString)")
        defer { #expect(throws: Never.self) { try FileManager.default.removeItem(at: file) } }
        let run = try CommandRun(
            [
                "predictor", "import", predictor, "--space", "ofa-mbv3-w1.2", "-o", file.path,
                "--json",
            ], environment: nowhere)
        #expect(run.status == 0, "\(run.errors)")
        #expect(try object(run.output)["resolutions"] as? [Int] == [160, 176, 192, 208, 224])
        let again = try CommandRun(
            [
                "predictor", "import", file.path, "--space", "ofa-mbv3-w1.2", "--resolutions",
                "128", "-o", file.path, "--force",
            ], environment: nowhere)
        #expect(again.status == 1)
        #expect(again.errors.contains("leave --resolutions out"))
        let two = try CommandRun(
            [
                "predictor", "import", predictor, "--space", "ofa-mbv3-w1.2", "--resolutions",
                "160,176", "-o", file.path, "--force",
            ], environment: nowhere)
        #expect(two.status == 1)
        #expect(two.errors.contains("has inputs for 8 image sizes"), "\(two.errors)")
        #expect(two.errors.contains("and 2 were given (160, 176): leave --resolutions out"))
        let shown = try CommandRun(["predictor", "show", file.path], environment: nowhere)
        #expect(shown.status == 0)
        #expect(shown.output.contains("dense layers of 128-400-400-400-1"))
        let width = try CommandRun(
            [
                "predictor", "import", predictor, "--space", "ofa-mbv3-w1.0", "-o", file.path,
                "--force",
            ],
            environment: nowhere)
        #expect(width.status == 1)
        #expect(width.errors.contains("published predictor of space ofa-mbv3-w1.2"))
    }

    @Test(
        "a search and costs with the published tables agree; infeasible limits name what is reachable",
        .enabled(if: isPublished, "\(SharedFolders.publishedHint)"))
    func search() throws {
        let (predictor, tables) = try paths()
        let base = [
            "search", "--space", "ofa-mbv3-w1.2", "--predictor", predictor, "--latency-table",
            tables,
            "--resolutions", "160,192", "--json",
        ]
        let run = try CommandRun(base + ["--max-latency-ms", "25"], environment: nowhere)
        #expect(run.status == 0, "\(run.errors)")
        let found = try object(run.output)
        let latency = try #require(found["latency_ms"] as? Double)
        #expect(latency <= 25)
        let arch = String(
            decoding: try JSONSerialization.data(withJSONObject: try #require(found["arch"])),
            as: UTF8.self)
        let cost = try object(
            try CommandRun([
                "arch", "cost", "--space", "ofa-mbv3-w1.2", "--predictor", predictor,
                "--latency-table", tables, "--arch", arch, "--json",
            ]).output)
        #expect(cost["macs"] as? Int == found["macs"] as? Int)
        #expect(abs(try #require(cost["latency_ms"] as? Double) - latency) < 1e-9)
        let accuracy = try #require(cost["predicted_accuracy"] as? Double)
        // Sums of the first layer run in another order.
        #expect(abs(accuracy - (try #require(found["predicted_accuracy"] as? Double))) < 1e-6)

        let four = try object(
            try CommandRun(base + ["--max-latency-ms", "25", "--batch", "4"], environment: nowhere)
                .output)
        #expect(four["arch"] as? NSDictionary == found["arch"] as? NSDictionary)
        #expect(
            try #require(four["peak_memory_bytes"] as? Int)
                == 4 * (try #require(found["peak_memory_bytes"] as? Int)))
        #expect(four["flash_bytes"] as? Int == found["flash_bytes"] as? Int)

        // Without sizes: those that the table has of the predictor's.
        let one = URL(filePath: tables).appending(path: "176_lookup_table.yaml").path
        let only = try CommandRun(
            [
                "search", "--space", "ofa-mbv3-w1.2", "--predictor", predictor, "--latency-table",
                one, "--json", "--max-latency-ms", "25",
            ], environment: nowhere)
        #expect(only.status == 0, "\(only.errors)")
        let arch176 = try #require(try object(only.output)["arch"] as? [String: Any])
        #expect(arch176["r"] as? Int == 176)

        let infeasible = try CommandRun(base + ["--max-latency-ms", "5"], environment: nowhere)
        #expect(infeasible.status == 2)
        #expect(infeasible.errors.contains("latency_ms ≤ 5: the smallest reachable is 9.8"))
        let small = try CommandRun(
            base.map { $0 == "160,192" ? "128" : $0 } + ["--max-latency-ms", "25"],
            environment: nowhere)
        #expect(small.status == 1)
        #expect(small.errors.contains("not fitted on resolution 128"))
    }

    @Test(
        "a front holds networks of rising latency and accuracy",
        .enabled(if: isPublished, "\(SharedFolders.publishedHint)"))
    func front() throws {
        let (predictor, tables) = try paths()
        let run = try CommandRun(
            [
                "search", "--space", "compofa-mbv3-w1.2", "--predictor", predictor,
                "--latency-table", tables, "--front", "--json",
            ], environment: nowhere)
        #expect(run.status == 0, "\(run.errors)")
        let answer = try object(run.output)
        #expect(answer["over"] as? String == "latency")
        let front = try #require(answer["front"] as? [[String: Any]])
        #expect(front.count > 5)
        let latencies = front.compactMap { $0["latency_ms"] as? Double }
        #expect(latencies.count == front.count && latencies == latencies.sorted())
    }
}
