// `ofa space` as its users type it.
import Foundation
import TestSupport
import Testing

@Suite struct SpaceCommandTests {
    @Test("space count prints the exact number and nothing else")
    func count() throws {
        let run = try CommandRun(["space", "count", "ofa-mbv3-w1.0"])
        #expect(run.status == 0)
        #expect(run.output == "21758655492572485851\n")
        #expect(run.errors.isEmpty)
    }

    @Test("space count --json keeps its contract")
    func countJSON() throws {
        let run = try CommandRun(["space", "count", "ofa-mbv3-w1.0", "--json"])
        let text =
            #"{"architectures":"21758655492572485851","genotypes":"21758655492572485851","resolutions":25,"space":"ofa-mbv3-w1.0"}"#
        #expect(run.output == text + "\n")
    }

    @Test("an unknown space ends with exit code 2 and one line on standard error")
    func unknown() throws {
        let run = try CommandRun(["space", "show", "ofa-mbv9"])
        #expect(run.status == 2)
        #expect(run.output.isEmpty)
        #expect(run.errors.hasPrefix("Error: no search space is named ofa-mbv9; known are "))
        #expect(run.errors.filter(\.isNewline).count == 1)
    }

    @Test("space list and space show speak to people and to scripts")
    func listAndShow() throws {
        let list = try CommandRun(["space", "list"])
        #expect(list.lines.count == 8)
        #expect(!list.output.contains("\u{1B}"))
        let shown = try CommandRun(["space", "show", "ofa-mbv3-w1.0"])
        #expect(shown.output.contains("7,664,760  566,170,656"))
        let resnet = try CommandRun(["space", "show", "ofa-resnet50"])
        #expect(
            resnet.output.contains("1639276531308 architectures\n(2458914796962 lists of genes;"))
        let json = try CommandRun(["space", "show", "ofa-mbv3-w1.0", "--json"])
        let object = try #require(
            try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any])
        let largest = try #require(object["largest"] as? [String: Any])
        #expect(largest["params"] as? Int == 7_664_760)
        #expect(largest["macs"] as? Int == 566_170_656)
    }

    @Test("a usage error ends with 64, help with 0 and an example")
    func usage() throws {
        #expect(try CommandRun(["space", "count"]).status == 64)
        #expect(try CommandRun(["space", "count", "x", "--nope"]).status == 64)
        for command in [
            ["space"], ["space", "list"], ["space", "count"], ["arch"], ["arch", "cost"],
        ] {
            let help = try CommandRun(command + ["--help"])
            #expect(help.status == 0)
            #expect(help.output.contains("Example:"))
        }
    }
}
