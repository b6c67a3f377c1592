// `ofa arch cost` as its users type it.
import Artifacts
import Foundation
import TestSupport
import Testing

@testable import ofa

@Suite struct ArchCommandTests {
    /// A w1.0 network of uniform genes as JSON.
    private func arch(kernel: Int, ratio: Int, depth: Int, size: Int) -> String {
        let kernels = Array(repeating: kernel, count: 20)
        let ratios = Array(repeating: ratio, count: 20)
        let depths = Array(repeating: depth, count: 5)
        return "{\"ks\": \(kernels), \"e\": \(ratios), \"d\": \(depths), \"r\": \(size)}"
    }

    private func object(_ line: String) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
    }

    @Test("the largest w1.0 network at 224 has the published counts")
    func largest() throws {
        let text = arch(kernel: 7, ratio: 6, depth: 4, size: 224)
        let run = try CommandRun([
            "arch", "cost", "--space", "ofa-mbv3-w1.0", "--arch", text, "--json",
        ])
        #expect(run.status == 0)
        let answer = try object(run.output)
        #expect(answer["params"] as? Int == 7_664_760)
        #expect(answer["macs"] as? Int == 566_170_656)
        #expect(answer["peak_activation_elements"] as? Int == 1_509_984)
        // 96 channels at 112 pixels and, filtered, at 56: the layer above without its 96 filters of 49 weights.
        #expect(answer["peak_memory_bytes"] as? Int == 4 * (1_509_984 - 96 * 49))
        let people = try CommandRun(["arch", "cost", "--space", "ofa-mbv3-w1.0", "--arch", text])
        #expect(people.output.contains("7,664,760"))
    }

    @Test("lines on standard input are answered line by line")
    func lines() throws {
        let input = [(7, 6, 4, 224), (3, 3, 2, 224), (3, 3, 4, 224)]
            .map { arch(kernel: $0.0, ratio: $0.1, depth: $0.2, size: $0.3) }
            .joined(separator: "\n\n")
        let run = try CommandRun(
            ["arch", "cost", "--space", "ofa-mbv3-w1.0", "--arch", "-"], input: input)
        #expect(run.status == 0)
        #expect(
            try run.lines.map { try object($0)["macs"] as? Int } == [
                566_170_656, 121_278_672, 226_193_808,
            ])
    }

    @Test("a program that writes a line gets its answer before it writes the next")
    func dialogue() throws {
        let process = Process(), input = Pipe(), output = Pipe()
        process.executableURL = CommandRun.binary
        process.arguments = ["arch", "cost", "--space", "ofa-mbv3-w1.0", "--arch", "-"]
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        // Without an answer it would be waited for as long as it waits for the next line.
        let end = DispatchWorkItem { process.terminate() }
        DispatchQueue.global().asyncAfter(deadline: .now() + 60, execute: end)
        for (depth, macs) in [(2, 121_278_672), (4, 226_193_808)] {
            let line = arch(kernel: 3, ratio: 3, depth: depth, size: 224) + "\n"
            try input.fileHandleForWriting.write(contentsOf: Data(line.utf8))
            let answer = output.fileHandleForReading.availableData
            #expect(try object(String(decoding: answer, as: UTF8.self))["macs"] as? Int == macs)
        }
        // The last line needs no end.
        let last = arch(kernel: 3, ratio: 3, depth: 2, size: 224)
        try input.fileHandleForWriting.write(contentsOf: Data(last.utf8))
        try input.fileHandleForWriting.close()
        #expect(!output.fileHandleForReading.availableData.isEmpty)
        process.waitUntilExit()
        end.cancel()
        #expect(process.terminationStatus == 0)
    }

    @Test("an invalid arch names the gene and the line, after the answers before it")
    func invalid() throws {
        let good = arch(kernel: 7, ratio: 6, depth: 4, size: 224)
        let bad = arch(kernel: 4, ratio: 6, depth: 4, size: 224)
        let run = try CommandRun(
            ["arch", "cost", "--space", "ofa-mbv3-w1.0", "--arch", "-"], input: good + "\n" + bad)
        #expect(run.status == 1)
        #expect(run.lines.count == 1)
        #expect(run.errors == "Error: line 2: ks[0] is 4; space ofa-mbv3-w1.0 allows 3, 5, 7\n")
    }

    @Test(
        "JSON that is not an arch names the field",
        arguments: [
            (#"{"ks": [3"#, "--arch: is not JSON at byte 9: ']' is missing"),
            (#"{"ks": [], "e": [], "d": []}"#, "--arch: field r is missing"),
            (#"{"ks": ["a"], "e": [], "d": [], "r": 1}"#, "--arch: field ks[0] is the text 'a'"),
            (#"{"ks": "a", "e": [], "d": [], "r": 1}"#, "--arch: field ks is the text 'a'"),
            (#"{"x": 1, "ks": [], "e": [], "d": [], "r": 1}"#, "--arch: 'x' is not known"),
            (#"{"ks": [], "e": [], "d": [], "d": [], "r": 1}"#, "--arch: field d stands twice"),
            (#"{"ks": [], "e": [], "d": [], "r": [24, 28]}"#, "--arch: field r lists 2 sizes"),
        ])
    func malformed(text: String, expected: String) throws {
        let base = ["arch", "cost", "--space", "ofa-mbv3-w1.0", "--arch", text]
        let run = try CommandRun(base)
        #expect(run.status == 1)
        #expect(run.errors.hasPrefix("Error: \(expected)"), "\(run.errors)")
        #expect(try CommandRun(base + ["--json"]).errors.contains("\"malformed\""))
    }

    @Test("an arch of the OFA library is one, and lists that do not fit are told")
    func library() throws {
        let text = arch(kernel: 3, ratio: 3, depth: 2, size: 224)
        let sampled = text.replacing("{", with: #"{"wid": null, "#).replacing("224", with: "[224]")
        let base = ["arch", "cost", "--space", "ofa-mbv3-w1.0", "--arch"]
        #expect(try CommandRun(base + [sampled]).status == 0)
        let empty = try CommandRun(base + [#"{"ks": [], "e": [], "d": [], "r": 224}"#])
        #expect(empty.status == 1 && empty.errors.contains("ks has 0 values"))
    }

    @Test("a table of an earlier method or of other threads is told, once, and stands in each line")
    func tables() throws {
        let place = try CommandPlace()
        let file = try place.table("ms.csv")
        let given = try place.document(
            "device", "add", "d", "--kind", "phone", "--latency-table", file)
        let table = try #require(given["latency_table"] as? Int)
        let old = try place.copy(
            "\(table)", as: "old", from: .user,
            metadata: {
                $0["host"] = "h"
                $0["threads"] = 2
            })
        let text =
            #"{"ks":[3,3,3,3,3,3,3,3,3],"e":[3,3,3,3,3,3,3,3,3],"d":[2,2,2],"r":28}"#
        func cost(_ table: String) throws -> CommandRun {
            try CommandRun(
                [
                    "arch", "cost", "--space", "fashion-mbv3", "--latency-table", table, "--arch",
                    "-",
                ], input: text + "\n" + text, environment: place.environment)
        }
        let outdated = try cost("\(old)")
        #expect(outdated.status == 0 && outdated.lines.count == 2)
        #expect(outdated.errors.count { $0 == "\n" } == 1)
        #expect(
            outdated.errors.hasPrefix(
                "warning: latency table \(old) was measured by an earlier method")
                && outdated.errors.contains("on 2 threads instead of 1"), "\(outdated.errors)")
        for line in outdated.lines {
            #expect(try object(line)["latency_table_is_outdated"] as? Bool == true)
            #expect(try object(line)["latency_table_threads"] as? Int == 2)
        }
        for unknown in ["\(table)", file] {
            let run = try cost(unknown), answer = try object(run.lines[0])
            #expect(run.errors.isEmpty && answer["latency_ms"] is Double)
            #expect(answer["latency_table_is_outdated"] is NSNull)
            #expect(answer["latency_table_threads"] is NSNull)
        }
    }

    @Test("flash follows the bytes of a weight")
    func flash() throws {
        let text = arch(kernel: 3, ratio: 3, depth: 2, size: 224)
        let base = ["arch", "cost", "--space", "ofa-mbv3-w1.0", "--arch", text, "--json"]
        let four = try object(try CommandRun(base).output)["flash_bytes"] as? Int
        let one =
            try object(try CommandRun(base + ["--bytes-per-weight", "1"]).output)["flash_bytes"]
            as? Int
        // In eight bits, biases still take four bytes each, and every channel has a scale.
        let (floats, codes) = (try #require(four), try #require(one))
        #expect(4 * codes > floats && 4 * codes < floats + floats / 20)
        #expect(try CommandRun(base + ["--bytes-per-weight", "0"]).status == 64)
    }

    @Test("energy and peak memory follow the bytes of an activation")
    func energy() throws {
        let text = arch(kernel: 3, ratio: 3, depth: 2, size: 224)
        let base = ["arch", "cost", "--space", "ofa-mbv3-w1.0", "--arch", text, "--json"]
        let four = try object(try CommandRun(base).output)
        let one = try object(try CommandRun(base + ["--bytes-per-activation", "1"]).output)
        func number(_ answer: [String: Any], _ key: String) throws -> Double {
            try #require(answer[key] as? Double)
        }
        #expect(try number(four, "peak_memory_bytes") == 4 * number(one, "peak_memory_bytes"))
        // Horowitz: 4.6 or 0.23 pJ a multiply-add, 12.5 a byte of activations, 162.5 a byte of weights.
        let operations = (4.6 - 0.23) * 1e-9 * (try number(four, "macs"))
        let weights = 162.5e-9 * (try number(four, "flash_bytes"))
        let moved = try number(one, "energy_mj") - weights - 0.23e-9 * (try number(one, "macs"))
        let difference = try number(four, "energy_mj") - number(one, "energy_mj")
        #expect(abs(difference - operations - 3 * moved) < 1e-9)
        #expect(try CommandRun(base + ["--bytes-per-activation", "9"]).status == 64)
        let people = try CommandRun(base.dropLast())
        #expect(people.output.contains("energy (modelled)"))
    }

    @Test(
        "a latency table adds latencies, a network's known sum among them",
        .enabled(if: SharedFolders.published("note10") != nil, "\(SharedFolders.publishedHint)"))
    func latency() throws {
        let folder = try #require(SharedFolders.published("note10")).path
        let base = [
            "arch", "cost", "--space", "ofa-mbv3-w1.2", "--latency-table", folder, "--arch",
        ]
        let run = try CommandRun(base + [arch(kernel: 7, ratio: 6, depth: 4, size: 160), "--json"])
        let latency = try #require(try object(run.output)["latency_ms"] as? Double)
        #expect(abs(latency - 47.773312) < 1e-6)
        // An energy table is one whose numbers are millijoules.
        let both = try CommandRun(
            base + [
                arch(kernel: 7, ratio: 6, depth: 4, size: 160), "--energy-table", folder, "--json",
            ])
        #expect(try object(both.output)["energy_mj"] as? Double == latency)
        let missing = try CommandRun([
            "arch", "cost", "--space", "ofa-mbv3-w1.2", "--energy-table", folder, "--arch",
            arch(kernel: 7, ratio: 6, depth: 4, size: 128),
        ])
        #expect(missing.errors.contains("the energy table has no resolution 128"))
        let unknown = try CommandRun(base + [arch(kernel: 7, ratio: 6, depth: 4, size: 128)])
        #expect(unknown.status == 1)
        #expect(unknown.errors.contains("no resolution 128"))
    }

    /// A linear predictor of the fashion space as a file would hold it: 0.5, and 0.1 for the
    /// largest size.
    private func predictorBytes(trained: String = "null") -> [UInt8] {
        let header = """
            {"trained":\(trained),"encoder":{"space":"fashion-mbv3","kernelSizes":[3,5,7],"expandRatios":[3,4,6],\
            "stageCount":3,"maxDepth":3,"resolutions":[20,24,28]},\
            "fittedResolutions":[24,28],"sizes":[57,1]}
            """
        let count = (0..<4).map { UInt8(truncatingIfNeeded: header.utf8.count >> (8 * $0)) }
        let values = Array(repeating: Float(0), count: 56) + [0.125, 0.5]
        return Array("OFAPRED1".utf8) + count + Array(header.utf8)
            + values.flatMap { value in
                (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * $0)) }
            }
    }

    @Test("a predictor adds accuracies, and refuses sizes and spaces it was not fitted on")
    func predictor() throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "p-\(UUID().uuidString)")
        try Data(predictorBytes()).write(to: file)
        defer { #expect(throws: Never.self) { try FileManager.default.removeItem(at: file) } }
        func run(_ space: String, _ size: Int, _ path: String) throws -> CommandRun {
            let nine = Array(repeating: 3, count: 9)
            let text = "{\"ks\": \(nine), \"e\": \(nine), \"d\": [2, 2, 2], \"r\": \(size)}"
            return try CommandRun(
                ["arch", "cost", "--space", space, "--predictor", path, "--arch", text, "--json"])
        }
        let answer = try object(try run("fashion-mbv3", 28, file.path).output)
        #expect(answer["predicted_accuracy"] as? Double == 0.625)
        #expect(answer["latency_ms"] is NSNull)
        let size = try run("fashion-mbv3", 20, file.path)
        #expect(size.status == 1)
        #expect(size.errors.contains("not fitted on resolution 20, only on 24, 28"))
        let space = try run("ofa-mbv3-w1.0", 28, file.path)
        #expect(space.errors.contains("belongs to space fashion-mbv3, not ofa-mbv3-w1.0"))
        #expect(try run("fashion-mbv3", 28, "/nonexistent").status == 2)
    }

    @Test("a predictor answers, and is searched with, only for what its supernet was trained for")
    func trained() throws {
        let place = try CommandPlace()
        let known =
            #"{"kernelSizes":[3,5],"expandRatios":[3,4],"depths":[2,3],"resolutions":[24,28]}"#
        let file = place.folder.appending(path: "p.bin")
        try Data(predictorBytes(trained: known)).write(to: file)
        // Older versions wrote it beside the bytes only.
        let connection = try place.database.connect()
        let digest = try BlobStore(connection).put(predictorBytes(), elementSize: 4)
        let artifact = try ArtifactStore(connection).insert(
            Artifact.New(
                broughtAs: "predictor", name: "p", digest: digest,
                metadataJSON: "{\"trained\":\(known)}"))
        for predictor in [file.path, "\(artifact)"] {
            func cost(_ kernel: Int, _ ratio: Int) throws -> CommandRun {
                let kernels = Array(repeating: kernel, count: 9)
                let ratios = Array(repeating: ratio, count: 9)
                return try place.ofa(
                    "arch", "cost", "--space", "fashion-mbv3", "--predictor", predictor, "--arch",
                    "{\"ks\":\(kernels),\"e\":\(ratios),\"d\":[3,3,3],\"r\":24}", "--json")
            }
            #expect(try object(try cost(5, 4).output)["predicted_accuracy"] as? Double == 0.5)
            for (run, gene) in [
                (try cost(7, 4), "ks[0] is 7; trained values are 3, 5"),
                (try cost(5, 6), "e[0] is 6; trained values are 3, 4"),
            ] {
                #expect(run.status == 1 && run.output.isEmpty)
                #expect(run.errors.contains(gene) && run.errors.contains("\"outside_domain\""))
            }
            let found = try place.document(
                "search", "--space", "fashion-mbv3", "--predictor", predictor, "--resolutions", "24"
            )
            let arch = try #require(found["arch"] as? [String: Any])
            #expect(try #require(arch["ks"] as? [Int]).contains(7) == false)
            #expect(try #require(arch["e"] as? [Int]).contains(6) == false)
            let shown = try place.ofa("predictor", "show", predictor)
            #expect(
                shown.output.contains("of networks within kernel sizes 3, 5, expand ratios 3, 4"))
        }
    }
}
