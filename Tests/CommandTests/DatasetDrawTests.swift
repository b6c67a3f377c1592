// `ofa dataset draw`: help, the folder, its repetition, refusals.
import Foundation
import TestSupport
import Testing

@Suite final class DatasetDrawTests {
    private let folder = FileManager.default.temporaryDirectory.appending(
        path: "ofa-draw-\(UUID().uuidString)")

    init() throws {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    deinit {
        do { try FileManager.default.removeItem(at: folder) } catch { print("\(error)") }
    }

    private func draw(_ arguments: String...) throws -> CommandRun {
        try CommandRun(["dataset", "draw"] + arguments, environment: [:], folder: folder)
    }

    @Test("the help has an example and the defaults, and needs no database")
    func help() throws {
        let run = try draw("--help")
        #expect(run.status == 0 && run.output.contains("ofa dataset draw pictures --classes 37"))
        #expect(run.output.contains("at most 72 (10)"))
    }

    @Test("pictures are drawn, below folders that are missing; the same again draws nothing")
    func drawn() throws {
        let small = ["--classes", "2", "--train", "2", "--test", "1", "--threads", "2", "--json"]
        func answer() throws -> [String: Any] {
            let run = try CommandRun(
                ["dataset", "draw", "new/pictures/"] + small, environment: [:], folder: folder)
            #expect(run.status == 0, "\(run.errors)")
            let document = try JSONSerialization.jsonObject(with: Data(run.output.utf8))
            return try #require(document as? [String: Any])
        }
        let first = try answer()
        #expect(first["drawn"] as? Bool == true && first["folder"] as? String == "new/pictures/")
        #expect(first["classes"] as? [String] == ["striped-disc", "dotted-disc"])
        #expect(first["train"] as? Int == 2 && first["test"] as? Int == 1)
        let path = folder.appending(path: "new/pictures").path
        let names = try FileManager.default.subpathsOfDirectory(atPath: path)
        #expect(names.filter { $0.hasSuffix(".jpg") }.count == 6)
        #expect(try answer()["drawn"] as? Bool == false)
        let told = try draw("new/pictures", "--classes", "2", "--train", "2", "--test", "1")
        #expect(told.status == 0 && told.output.contains("nothing was drawn"), "\(told.output)")
    }

    @Test("folders with other files, and numbers out of range, are refused")
    func refused() throws {
        try Data([1]).write(to: folder.appending(path: "mine"))
        let held = try draw(folder.path, "--classes", "1", "--train", "1")
        #expect(held.status == 1 && held.errors.contains("holds other files"), "\(held.errors)")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["mine"])
        for (option, value) in [
            ("--classes", "73"), ("--classes", "0"), ("--train", "0"), ("--test", "-1"),
            ("--seed", "x"), ("--threads", "0"),
        ] {
            let run = try draw("pictures", option, value)
            #expect(run.status == 64 && run.errors.contains(option), "\(option): \(run.errors)")
        }
        #expect(try draw().status == 64)
    }
}
