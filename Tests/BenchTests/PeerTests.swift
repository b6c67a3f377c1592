// The peer's process: what it prints, how it fails, and that it is run as asked, with a stand-in for its script.
import Foundation
import Testing

@testable import ofa_bench

@Suite struct PeerTests {
    private let request = Peer.Request(
        mode: .train, genes: #"{"ks":[3]}"#, width: 1.2, classes: 10, resolution: 96, batch: 4,
        threads: 2, layout: "nchw", runs: 3, warmup: 1)

    @Test("the script's line and the wrapper's are read as one")
    func read() throws {
        let text = """
            {"peer": "pytorch 2", "median_ms": 12.5, "min_ms": 12, "params": 7, "images_per_s": 1}
            {"peak_rss_bytes": 1024}
            """
        let result = try Peer.read(text)
        #expect(result.medianMs == 12.5 && result.minMs == 12 && result.params == 7)
        #expect(result.peer == "pytorch 2" && result.peakRssBytes == 1024)
        for wrong in ["", "{}", "{\"peer\": 1}", "{broken"] {
            #expect(throws: BenchError.self) { try Peer.read(wrong) }
        }
    }

    @Test("a missing interpreter or package says how to get a peer; another failure its last line")
    func failures() {
        let missing = Peer.failure("py", status: 127, said: "env: py: not found")
        #expect(missing.message.contains("no py") && missing.message.contains("pip install torch"))
        let package = Peer.failure("py", status: 1, said: "x\nNo module named 'torch'\n")
        #expect(package.message.contains("'torch'") && package.message.contains("OFA_PEER_PYTHON"))
        #expect(Peer.failure("py", status: 3, said: "a\nb\n").message.hasSuffix("code 3: b"))
    }

    @Test("a folder without the script is an error that names it")
    func find() {
        let error = #expect(throws: BenchError.self) {
            try Peer.find("torch_mbv3.py", ["OFA_PEERS": "/nowhere/peers"])
        }
        #expect(error?.message.contains("/nowhere/peers") == true)
    }

    @Test("the arguments name everything that both sides must agree on")
    func arguments() {
        let words = request.arguments
        for pair in [
            ("--mode", "train"), ("--arch", #"{"ks":[3]}"#), ("--width", "1.2"),
            ("--classes", "10"), ("--resolution", "96"), ("--batch", "4"), ("--threads", "2"),
            ("--layout", "nchw"), ("--runs", "3"), ("--warmup", "1"),
        ] {
            let place = words.firstIndex(of: pair.0)
            #expect(place.map { words[$0 + 1] } == pair.1, "\(pair.0)")
        }
    }

    @Test("recalibration asks the script for evaluation, with batch norms kept in training mode")
    func calibration() {
        func asked(_ mode: PassMode) -> (String?, String) {
            var request = request
            request.mode = mode
            let words = request.arguments
            return (words.firstIndex(of: "--mode").map { words[$0 + 1] }, request.statistics)
        }
        #expect(asked(.train) == ("train", "own") && asked(.eval) == ("eval", "own"))
        #expect(asked(.calibrate) == ("eval", "batch"))
    }
}
