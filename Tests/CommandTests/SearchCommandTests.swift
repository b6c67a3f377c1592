// `ofa search` without a predictor that fits; what it finds is tested where there is one to search
// with.
import Foundation
import TestSupport
import Testing

@Suite struct SearchCommandTests {
    @Test("a predictor or a space that there is none of ends with exit code 2, without a database")
    func unknown() throws {
        let file = try CommandRun([
            "search", "--space", "fashion-mbv3", "--predictor", "nowhere/predictor.bin",
        ])
        #expect(file.status == 2)
        #expect(file.errors == "Error: there is no file nowhere/predictor.bin\n")
        #expect(try CommandRun(["search", "--space", "nothing", "--predictor", "p"]).status == 2)
    }

    @Test("an artifact that there is none of ends with exit code 2")
    func unknownArtifact() throws {
        let place = try CommandPlace()
        let run = try place.ofa("search", "--space", "fashion-mbv3", "--predictor", "17")
        #expect(run.status == 2)
        #expect(run.errors.contains("there is no artifact '17'"))
    }

    @Test("a file that is no predictor is an error naming it")
    func malformed() throws {
        let place = try CommandPlace()
        let run = try place.ofa("search", "--space", "fashion-mbv3", "--predictor", "tiny.yaml")
        #expect(run.status == 1)
        #expect(
            run.errors == """
                Error: tiny.yaml is not an accuracy predictor: give one of this program (an artifact of kind predictor, \
                or a file of ofa predictor import) or a PyTorch checkpoint of dense layers

                """)
    }

    @Test(
        "limits and sizes that make no sense are usage errors",
        arguments: [
            ["--max-macs", "0"], ["--resolutions", "big"], ["--resolutions", ""],
            ["--kind", "toaster"], ["--seed", "-1"], ["--batch", "0"],
            ["--front", "--front-evaluations", "0"],
            ["--front", "--front-evaluations", "100000001"],
            ["--front-evaluations", "1000"], ["--front-over", "macs"], ["--max-latency-ms", "20"],
        ])
    func usage(arguments: [String]) throws {
        #expect(
            try CommandRun(["search", "--space", "fashion-mbv3", "--predictor", "p"] + arguments)
                .status == 64)
    }
}
