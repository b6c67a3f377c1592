// The peers in the answers of train and eval.
import Foundation
import Networks
import Testing

@testable import ofa_bench

@Suite struct PassReportTests {
    private final class NoPass: TimedPass {
        let weightBytes = 1, workspaceBytes = 2, gradientBytes = 3
        func milliseconds(_ mode: PassMode, runs: Int, warmup: Int) -> [Double] { [] }
    }

    private func network(_ name: String, ours: Double, _ peers: [(String, Double)]) throws
        -> PassReport.Network
    {
        let space = try SearchSpace.named("ofa-mbv3-w1.0")
        let choice = try ArchChoice.read(
            name, space: space, resolution: 224, count: 1, seed: 1)[0]
        func side(_ ms: Double) -> PassReport.Side {
            PassReport.Side(
                medians: [ms, ms], fastest: ms, batch: 1, gflop: 1, peakRssBytes: nil)
        }
        return PassReport.Network(
            choice, try NetworkCost(space, choice.config), gflopPerPass: 1, ours: side(ours),
            pass: NoPass(),
            peers: peers.map { name, ms in
                PassReport.PeerSide(
                    name: name, version: "\(name) 1", side: side(ms),
                    ratio: Ratio(
                        peer: [ms, ms], ours: [ours, ours], fastestPeer: ms, fastestOurs: ours))
            }, profile: nil)
    }

    private func object(_ networks: [PassReport.Network]) throws -> [String: Any] {
        let report = PassReport(
            mode: .eval, space: "s", resolution: 224, batch: 1, threads: 1, runs: 40, rounds: 2,
            warmup: 2, instructionSet: "i", blasCore: "b", loadAverageBefore: 0,
            peak: PassReport.Peak(blasGflopPerS: 1, productGflopPerS: 2), roofline: nil,
            networks: networks, peers: PassReport.figures(networks), geometricMeanRatio: nil,
            geometricMeanRatioOfFastest: nil)
        let text = try Output.encoded(report.headline, report)
        return try #require(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    }

    @Test("the answer names every peer, and its ratio is that to the best of them")
    func best() throws {
        let found = try object([
            network("max", ours: 10, [("onnxruntime", 14), ("openvino", 12), ("pytorch", 50)])
        ])
        #expect(found["unit"] as? String == "ms")
        for (name, value) in [("ours", 10.0), ("peer", 12), ("ratio", 1.2)] {
            let got = try #require(found[name] as? Double)
            #expect(abs(got - value) < 1e-12, "\(name): \(got)")
        }
        let peers = try #require(found["peers"] as? [[String: Any]])
        #expect(
            peers.compactMap { $0["name"] as? String } == ["onnxruntime", "openvino", "pytorch"])
        for (peer, (ms, ratio)) in zip(peers, [(14.0, 1.4), (12, 1.2), (50, 5)]) {
            #expect(abs(try #require(peer["ms"] as? Double) - ms) < 1e-12)
            #expect(abs(try #require(peer["ratio"] as? Double) - ratio) < 1e-12)
            #expect(peer["version"] as? String == "\(peer["name"] ?? "") 1")
        }
        let networks = try #require(found["networks"] as? [[String: Any]])
        #expect(networks[0]["peer_name"] as? String == "openvino 1")
    }

    @Test("over several networks, figures are geometric means")
    func several() throws {
        let found = try object([
            network("max", ours: 10, [("onnxruntime", 20), ("openvino", 30)]),
            network("min", ours: 40, [("onnxruntime", 45), ("openvino", 30)]),
        ])
        // Ours 20; ONNX Runtime 30, OpenVINO 30.
        let peers = try #require(found["peers"] as? [[String: Any]])
        for peer in peers {
            #expect(abs(try #require(peer["ms"] as? Double) - 30) < 1e-12)
            #expect(abs(try #require(peer["ratio"] as? Double) - 1.5) < 1e-12)
        }
        #expect(abs(try #require(found["ratio"] as? Double) - 1.5) < 1e-12)
    }

    @Test("without peers the list is there and empty, and peer and ratio are null")
    func alone() throws {
        let found = try object([network("min", ours: 5, [])])
        #expect((found["peers"] as? [Any])?.isEmpty == true)
        #expect(found["peer"] is NSNull && found["ratio"] is NSNull)
    }
}
