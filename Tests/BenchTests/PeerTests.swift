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

    @Test("torch.compile is the same script's option, runtimes are another script's engines")
    func software() {
        var request = request
        #expect(!request.arguments.contains("--compile"))
        request.peer = .compiledPytorch
        #expect(request.arguments.contains("--compile"))
        for peer in [PassPeer.onnxruntime, .openvino] {
            request.peer = peer
            let words = request.arguments
            #expect(
                words.prefix(2) == ["--engine", peer.rawValue] && peer.script == "onnx_mbv3.py")
            #expect(!words.contains("--mode") && !words.contains("--cache"))
            request.model = URL(filePath: "/somewhere/models/network.onnx")
            #expect(
                request.arguments.firstIndex(of: "--cache").map { request.arguments[$0 + 1] }
                    == "/somewhere/models")
            request.model = nil
        }
        #expect(PassPeer.compiledPytorch.script == PassPeer.pytorch.script)
    }

    @Test("peers are named with commas, each once; a name that is none lists those that there are")
    func names() throws {
        #expect(
            try PassPeer.read("onnxruntime,openvino,pytorch,openvino", .eval) == [
                .onnxruntime, .openvino, .pytorch,
            ])
        #expect(
            try PassPeer.read("pytorch-compiled,pytorch", .train) == [.compiledPytorch, .pytorch])
        for (text, mode) in [
            ("onnxruntime", PassMode.train), ("openvino", .calibrate), ("tvm", .eval), ("", .eval),
            ("pytorch,", .eval), ("pytorch-compiled", .calibrate),
        ] {
            let error = #expect(throws: BenchError.self) { try PassPeer.read(text, mode) }
            #expect(error?.message.contains("pytorch") == true, "\(text)")
        }
    }

    @Test("--peer alone is pytorch, and a list is taken as it stands")
    func options() throws {
        func peers(_ words: [String]) throws -> [PassPeer] {
            try #require(try EvalBench.parseAsRoot(words) as? EvalBench).options.peers(.eval)
        }
        #expect(try peers([]).isEmpty)
        #expect(try peers(["--peer"]) == [.pytorch])
        #expect(try peers(["--peer", "--json"]) == [.pytorch])
        #expect(
            try peers(["--peer", "onnxruntime,openvino", "--batch", "1"]) == [
                .onnxruntime, .openvino,
            ])
        #expect(throws: (any Error).self) { try peers(["--peer", "tvm"]) }
        #expect(throws: (any Error).self) {
            try TrainBench.parseAsRoot(["--peer", "onnxruntime"])
        }
        #expect(throws: (any Error).self) {
            try peers(["--space", "fashion-mbv3", "--peer", "openvino"])
        }
    }

    @Test("a runtime's script finds our model where it would have exported its own")
    func model() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer {
            #expect(throws: Never.self) { try FileManager.default.removeItem(at: folder) }
        }
        let model = folder.appending(path: "network.onnx")
        try Data("our model".utf8).write(to: model)
        // Names the file as the peers' script does.
        try Data(
            """
            import argparse, hashlib, json, os
            p = argparse.ArgumentParser()
            for name in ("engine", "arch", "cache"): p.add_argument("--" + name)
            p.add_argument("--width", type=float)
            for name in ("classes", "resolution", "batch", "threads", "runs", "warmup"):
                p.add_argument("--" + name, type=int)
            a = p.parse_args()
            key = hashlib.sha256(json.dumps([json.loads(a.arch), a.width, a.classes, a.resolution, a.batch],
                sort_keys=True).encode()).hexdigest()[:16]
            print(json.dumps({"peer": open(os.path.join(a.cache, key + ".onnx")).read(), "median_ms": a.runs,
                "min_ms": a.warmup}))
            """.utf8
        ).write(to: folder.appending(path: "onnx_mbv3.py"))
        let found = try Peer.find(
            PassPeer.openvino.script, ["OFA_PEERS": folder.path, "OFA_PEER_PYTHON": "python3"])
        var request = request
        (request.peer, request.mode, request.model) = (.openvino, .eval, model)
        do {
            for _ in 0..<2 {
                let result = try found.measure(request)
                #expect(result.peer == "our model" && result.params == nil)
                #expect(result.medianMs == 3 && result.minMs == 1)
            }
        } catch let error as BenchError where error.message.contains("there is no python3") {
            print("skipped: \(error.message)")
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
