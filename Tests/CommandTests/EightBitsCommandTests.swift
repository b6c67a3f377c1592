// Devices of eight bits, from the pipeline file to the report: what is measured there is what the exported file computes.
import Artifacts
import Foundation
import Networks
import TestSupport
import Testing

@testable import Pipelines

@Suite struct EightBitsCommandTests {
    private let place: CommandPlace

    init() throws { place = try CommandPlace(images: true) }

    /// The tiny pipeline with a microcontroller, whose predictor is one of eight bits, and a computer of eight bits.
    private static var pipeline: String {
        let devices = """
              board: {kind: microcontroller, max_flash_kb: 250}
              edge: {kind: computer, bytes_per_weight: 1, bytes_per_activation: 1, max_latency_ms: 50}
            stages:

            """
        let stages = """
              accuracy8:
                {kind: sample-accuracy, needs: [full], subnets: 10, images: 50, calibration_images: 64, shards: 2, bits: 8}
              predictor8: {kind: fit-predictor, needs: [accuracy8], bits: 8}
              search-board: {kind: search, needs: [predictor8], device: board, bits: 8}
              network-board: {kind: materialise, needs: [search-board], device: board, calibration_images: 64}
              tuned-board:
                {kind: fine-tune, needs: [network-board], from: network-board, epochs: 2, learning_rate: 0.02, batch: 32,
                 calibration_images: 64}
              search-edge: {kind: search, needs: [predictor, latency], device: edge}
              network-edge: {kind: materialise, needs: [search-edge], device: edge, calibration_images: 64}

            """
        return CommandPlace.tiny.replacing("stages:\n", with: devices) + stages
    }

    @Test(
        "accuracy, flash and latency of a device of eight bits are those of its file, and the report says so"
    )
    func journey() throws {
        try place.write(Self.pipeline)
        let report = try place.document("run", "tiny.yaml")
        let rows = try #require(report["networks"] as? [[String: Any]])
        func row(_ device: String, tuned: Bool = false) throws -> [String: Any] {
            try #require(
                rows.first {
                    $0["device"] as? String == device && ($0["fine_tuning"] is NSNull) != tuned
                }, "\(device)")
        }
        for row in [try row("board"), try row("edge"), try row("board", tuned: true)] {
            try checkRow(row)
        }
        try checkFloats(try row("this-machine"))
        #expect(try row("board")["predicted_bits"] as? Int == 8)
        #expect(try row("edge")["predicted_bits"] as? Int == 32)
        #expect(try row("edge")["latency_ms"] is Double && row("board")["latency_ms"] is NSNull)
        #expect(try row("board", tuned: true)["predicted_bits"] is NSNull)
        try checkText()
        try checkCard("\(try #require(try row("board")["artifact"] as? Int))")
        try checkPredictors()
        try checkSamples()
    }

    /// Whether the figures of a row are those that the other commands find for its artifact.
    private func checkRow(_ row: [String: Any]) throws {
        let id = "\(try #require(row["artifact"] as? Int))"
        func top1(_ more: [String]) throws -> Double {
            try #require(
                try place.document(["evaluate", id, "--dataset", "tiny-dataset"] + more)["top1"]
                    as? Double)
        }
        let test = try #require(row["test_accuracy"] as? Double)
        let floats = try #require(row["float_test_accuracy"] as? Double)
        #expect(row["bits"] as? Int == 8)
        #expect(try test == top1(["--bits", "8"]))
        #expect(try floats == top1([]))
        // Parsing the decimal digits may change the last bit.
        let loss = try #require(row["quantisation_loss"] as? Double)
        #expect(abs(loss - (floats - test)) < 1e-12)
        let images = "\(try #require(row["held_out_images"] as? Int))"
        let heldOut = ["--split", "held-out", "--images", images]
        #expect(try row["held_out_accuracy"] as? Double == top1(heldOut + ["--bits", "8"]))
        #expect(try row["float_held_out_accuracy"] as? Double == top1(heldOut))
        let file = try place.document(
            "export", id, "--format", "onnx-int8", "--force", "-o", "q.onnx")
        #expect(row["flash_bytes"] as? Int == file["weight_bytes"] as? Int)
        let made = try #require(row["quantisation"] as? [String: Any])
        #expect(made["rule"] as? String == file["rule"] as? String)
        #expect(made["calibration_images"] as? Int == file["calibration_images"] as? Int)
        #expect(made["range_images"] as? Int == file["held_out_images"] as? Int)
    }

    private func checkFloats(_ row: [String: Any]) throws {
        #expect(row["bits"] as? Int == 32 && row["predicted_bits"] as? Int == 32)
        #expect(row["float_test_accuracy"] as? Double == row["test_accuracy"] as? Double)
        #expect(row["float_held_out_accuracy"] as? Double == row["held_out_accuracy"] as? Double)
        #expect(row["quantisation_loss"] is NSNull && row["quantisation"] is NSNull)
    }

    private func checkText() throws {
        let text = try place.ofa("report").output
        for words in [
            "accuracy in 8 bits, test images", "the same in floats, test images",
            "accuracy in 8 bits, held-out images", "latency in 8 bits",
            "edge: accuracy, latency and flash are measured in 8 bits (ranges by ",
            "board: accuracy and flash are measured in 8 bits (ranges by ",
            "; the prediction is for floats; the table's latency is that of floats",
            "held-out images in floats; the network",
        ] { #expect(text.contains(words), "\(words) of \(text)") }
        #expect(!text.contains("accuracy is that of 32-bit floats"))
        let page = try place.ofa("report", "--html", "-").output
        for words in [
            "on 100 test images, in 8 bits", "The same in floats", "of stored weights, in 8 bits",
        ] { #expect(page.contains(words), "\(words)") }
    }

    /// The card and the metadata of an export have both accuracies, and the export is known to be one.
    private func checkCard(_ id: String) throws {
        for format in ["onnx", "onnx-int8"] {
            let made = try place.document(
                "export", id, "--format", format, "--force", "-o", "m.onnx")
            let card = String(decoding: try place.bytes("m.onnx.md"), as: UTF8.self)
            for words in [
                "| test images, in 8 bits |", "| test images, in floats |", "| flash, in 8 bits |",
                "accuracy and flash are measured in 8 bits",
            ] { #expect(card.contains(words), "\(words) of \(card)") }
            #expect(!card.contains("The accuracy above is that of floats"))
            let model = String(decoding: try place.bytes("m.onnx"), as: UTF8.self)
            #expect(model.contains(#""bits":8"#) && model.contains(#""float_test":"#))
            let stated = try place.ofa("lineage", "attest", id, "--file", "m.onnx")
            #expect(stated.status == 0, "\(stated.errors)")
            let sum = try #require(made["sha256"] as? String)
            #expect(stated.output.contains(sum), "\(format)")
        }
        let pixels = try place.ofa(
            "export", id, "--format", "onnx-int8", "--normalise", "--force", "-o", "m.onnx")
        #expect(pixels.status == 0)
        #expect(try place.ofa("lineage", "attest", id, "--file", "m.onnx").status == 0)
        let other = try place.ofa(
            "lineage", "attest", "fashion-mbv3-smallest", "--file", "m.onnx")
        #expect(other.status == 2 && other.errors.contains("is no export of artifact"))
    }

    /// A predictor of eight bits serves devices of eight bits only.
    private func checkPredictors() throws {
        let ids = try place.list("artifacts", "list", "--kind", "predictor").compactMap {
            $0["id"] as? Int
        }
        let bits = try ids.map {
            try #require(try place.document("predictor", "show", "\($0)")["bits"] as? Int)
        }
        let eight = "\(ids[try #require(bits.firstIndex(of: 8))])"
        #expect(bits.sorted() == [8, 32])
        #expect(try place.ofa("predictor", "show", eight).output.contains("accuracies in 8 bits"))
        let search = ["search", "--space", "fashion-mbv3", "--predictor", eight]
        let refused = try place.ofa(search + ["--max-macs", "3000000"])
        #expect(
            refused.status != 0 && refused.errors.contains("fitted on accuracies in 8 bits"),
            "\(refused.errors)")
        let found = try place.document(search + ["--kind", "microcontroller"])
        #expect(found["predicted_bits"] as? Int == 8)
        for (name, kind) in [("ring", "microcontroller"), ("watch", "phone")] {
            _ = try place.document(
                "device", "add", name, "--kind", kind, "--max-macs", "3000000")
        }
        let named = try place.ofa("specialize", "--device", "watch", "--predictor", eight)
        #expect(
            named.status != 0 && named.errors.contains("device watch")
                && named.errors.contains("accuracies in 8 bits"), "\(named.errors)")
        let report = try place.document(
            "specialize", "--device", "ring", "--device", "watch", "--wait")
        let rows = try #require(report["networks"] as? [[String: Any]])
        for (name, bits) in [("ring", 8), ("watch", 32)] {
            let row = try #require(rows.first { $0["device"] as? String == name })
            #expect(row["predicted_bits"] as? Int == bits && row["bits"] as? Int == bits)
        }
    }

    /// A sampled accuracy is that of the same network, extracted and evaluated in eight bits.
    private func checkSamples() throws {
        let connection = try place.database.connect(), store = ArtifactStore(connection)
        let samples = try store.list(kind: ArtifactRole.samples.rawValue).map {
            try JSONText.decode(
                AccuracySamples.self,
                from: String(decoding: try BlobStore(connection).get($0.digest), as: UTF8.self),
                what: "samples")
        }
        let eight = try #require(samples.first { $0.bits == 8 })
        #expect(samples.contains { $0.bits == nil } && eight.samples.count == 10)
        let sample = try #require(eight.samples.first)
        try place.write(
            """
            name: again
            seed: 3
            space: fashion-mbv3
            stages:
              again:
                kind: materialise
                dataset: artifact:tiny-dataset
                test_images: artifact:tiny-test-images
                supernet: artifact:fashion-mbv3-full
                network: '\(try JSONText.encode(sample.config))'
                calibration_images: 64

            """)
        let run = try place.ofa("run", "tiny.yaml")
        #expect(run.status == 0, "\(run.errors)")
        let measured = try place.document(
            "evaluate", "fashion-mbv3-again", "--dataset", "tiny-dataset", "--split", "held-out",
            "--images", "50", "--bits", "8")
        #expect(measured["top1"] as? Double == sample.accuracy)
    }
}
