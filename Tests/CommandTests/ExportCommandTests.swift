// Networks leave: one run's networks are exported, evaluated and shown pictures.
import Datasets
import Foundation
import TestSupport
import Testing

@Suite struct ExportCommandTests {
    /// Images, a supernet, and its largest and smallest networks.
    private static let pipeline =
        CommandPlace.tiny.components(separatedBy: "  accuracy:")[0]
            + """
              largest:
                kind: materialise
                needs: [full]
                network: largest
                calibration_images: 64
              smallest:
                kind: materialise
                needs: [full]
                network: smallest
                calibration_images: 64

            """

    private let place: CommandPlace

    init() throws {
        place = try CommandPlace(images: true)
        try place.write(Self.pipeline)
        let run = try place.ofa("run", "tiny.yaml")
        try #require(run.status == 0, "\(run.errors)")
    }

    /// The metadata of a network.
    private func figures(_ name: String) throws -> [String: Any] {
        try #require(try place.document("artifacts", "show", name)["metadata"] as? [String: Any])
    }

    private func bytes(_ file: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: place.folder.appending(path: file)))
    }

    /// The IDX test images as PNG files, `count` of them.
    private func pictures(_ count: Int) throws -> [String] {
        let images = try IDX(
            path: place.folder.appending(path: "data/t10k-images-idx3-ubyte.gz").path, rank: 3)
        return try (0..<count).map { number in
            let name = "picture-\(number).png"
            let pixels = Array(images.values[number * 784..<(number + 1) * 784])
            let png = try PictureEncoder.png(pixels, width: 28, height: 28, channels: 1)
            try Data(png).write(to: place.folder.appending(path: name))
            return name
        }
    }

    @Test("a network is exported with a card, twice with the same bytes; evaluated and tried")
    func journey() throws {
        try export()
        try exportEightBits()
        try refusals()
        try files()
        try evaluateNetwork()
        try evaluateSupernet()
        try classify()
    }

    private func export() throws {
        let name = "fashion-mbv3-largest"
        let answer = try place.document("export", name, "--format", "onnx", "-o", "a.onnx")
        #expect(answer["bytes"] as? Int == (try bytes("a.onnx")).count)
        #expect(answer["card"] as? String == "a.onnx.md")
        let card = String(decoding: try bytes("a.onnx.md"), as: UTF8.self)
        for words in [
            "# fashion-mbv3-largest", "tiny-dataset", "| test images |", "Energy and carbon",
            "onnxruntime.InferenceSession(\"a.onnx\")", "float32 of shape (N, 1, 28, 28)",
            answer["sha256"] as? String ?? "-", answer["digest"] as? String ?? "-",
            "made without limits",
        ] { #expect(card.contains(words), "\(words)") }
        _ = try place.document("export", name, "--format", "onnx", "-o", "b.onnx")
        let model = try bytes("a.onnx")
        #expect(try bytes("b.onnx") == model, "the same network gives the same bytes")
        let text = String(decoding: model, as: UTF8.self)
        for key in ["digest", "architecture", "accuracy", "lineage", "normalisation", "resolution"]
        {
            #expect(text.contains(key), "\(key)")
        }
        #expect(text.contains("pictures of 28 x 28 pixels as they are"))
        _ = try place.document("export", name, "--normalise", "-o", "c.onnx")
        #expect(try bytes("c.onnx") != model)
        let pixels = String(decoding: try bytes("c.onnx.md"), as: UTF8.self)
        #expect(pixels.contains("uint8 of shape (N, 1, 28, 28), pixels 0 to 255"))
        _ = try place.document("export", name, "--format", "safetensors", "-o", "a.safetensors")
        _ = try place.document("artifacts", "get", name, "-o", "got.safetensors")
        #expect(try bytes("a.safetensors") == bytes("got.safetensors"))
        #expect(answer["statement"] is NSNull)
        let stated = try place.document("export", name, "--statement", "-o", "s.onnx")
        #expect(stated["statement"] as? String == "s.onnx.intoto.json")
        let statement = try #require(
            JSONSerialization.jsonObject(with: Data(try bytes("s.onnx.intoto.json")))
                as? [String: Any])
        let subject = try #require((statement["subject"] as? [[String: Any]])?.first)
        #expect(subject["name"] as? String == "s.onnx")
        #expect(
            (subject["digest"] as? [String: String])?["sha256"] == stated["sha256"] as? String)
        let streamed = try place.ofa("export", name, "-o", "-")
        #expect(streamed.status == 0 && streamed.output.utf8.count > 1000)
    }

    private func exportEightBits() throws {
        let name = "fashion-mbv3-largest"
        let answer = try place.document("export", name, "--format", "onnx-int8", "-o", "q.onnx")
        let model = try bytes("q.onnx"), text = String(decoding: model, as: UTF8.self)
        for word in ["DequantizeLinear", "quantisation", "least squares", "percentile 99.99"] {
            #expect(text.contains(word), "\(word)")
        }
        #expect(!text.contains("Relu"))
        let stored = try #require(answer["weight_bytes"] as? Int)
        let floats = try bytes("a.onnx").count
        #expect(stored < model.count && 2 * stored < floats)
        let share = try #require(answer["held_out"] as? Double)
        #expect((0...1).contains(share))
        #expect((answer["calibration_images"] as? Int ?? 0) > 0)
        #expect((answer["held_out_images"] as? Int ?? 0) > 0)
        let rule = try #require(answer["rule"] as? String)
        let card = String(decoding: try bytes("q.onnx.md"), as: UTF8.self)
        #expect(card.contains("Weights are int8") && card.contains("the file has \(rule)"))
        let plain = try place.document("export", name, "-o", "p.onnx")
        #expect(plain["rule"] is NSNull && plain["weight_bytes"] is NSNull)
        let pixels = try place.ofa(
            "export", name, "--format", "onnx-int8", "--normalise", "-o", "n.onnx")
        #expect(pixels.status == 0 && pixels.output.contains("held-out images, kept"))
    }

    private func refusals() throws {
        let again = try place.ofa("export", "fashion-mbv3-largest", "-o", "a.onnx")
        #expect(again.status == 1 && again.errors.contains("--force"), "\(again.errors)")
        try Data().write(to: place.folder.appending(path: "d.onnx.md"))
        let card = try place.ofa("export", "fashion-mbv3-largest", "-o", "d.onnx")
        #expect(card.status == 1 && card.errors.contains("d.onnx.md exists"), "\(card.errors)")
        #expect(!FileManager.default.fileExists(atPath: place.folder.path + "/d.onnx"))
        let data = try place.ofa("export", "tiny-dataset", "-o", "e.onnx")
        #expect(data.status == 1 && data.errors.contains("not a network"), "\(data.errors)")
        #expect(try place.ofa("export", "gone", "-o", "e.onnx").status == 2)
        let mixed = try place.ofa(
            "export", "fashion-mbv3-largest", "--format", "safetensors", "--normalise", "-o", "e")
        #expect(mixed.status == 64 && mixed.errors.contains("weights only"), "\(mixed.errors)")
    }

    /// A card that cannot be written leaves no model, and an old model as it was; `--force` replaces both.
    private func files() throws {
        let name = "fashion-mbv3-smallest"
        try FileManager.default.createSymbolicLink(
            atPath: place.folder.appending(path: "f.onnx.md").path,
            withDestinationPath: "/dev/full")
        let none = try place.ofa("export", name, "-o", "f.onnx")
        #expect(none.status == 1 && none.errors.contains("cannot write f.onnx.md"))
        #expect(!FileManager.default.fileExists(atPath: place.folder.path + "/f.onnx"))
        try Data("old".utf8).write(to: place.folder.appending(path: "f.onnx"))
        #expect(try place.ofa("export", name, "--force", "-o", "f.onnx").status == 1)
        #expect(try bytes("f.onnx") == Array("old".utf8))
        let left = try FileManager.default.contentsOfDirectory(atPath: place.folder.path)
        #expect(!left.contains { $0.contains("unfinished") }, "\(left)")
        let full = try place.ofa("export", name, "-o", "/dev/full")
        #expect(full.status == 1 && full.output.isEmpty)
        #expect(full.errors.contains("cannot write /dev/full"), "\(full.errors)")
        let folder = try place.ofa("export", name, "-o", "data")
        #expect(folder.status == 1 && folder.errors.contains("data is a folder"))
        try FileManager.default.createDirectory(
            at: place.folder.appending(path: "g.onnx.md"), withIntermediateDirectories: false)
        let card = try place.ofa("export", name, "--force", "-o", "g.onnx")
        #expect(card.status == 1 && card.errors.contains("g.onnx.md is a folder"))
        #expect(!FileManager.default.fileExists(atPath: place.folder.path + "/g.onnx"))
        _ = try place.document(
            "export", "fashion-mbv3-largest", "--normalise", "--force", "-o", "a.onnx")
        #expect(try bytes("a.onnx") == bytes("c.onnx"))
        let page = String(decoding: try bytes("a.onnx.md"), as: UTF8.self)
        #expect(page.contains("pixels 0 to 255") && page.contains("InferenceSession(\"a.onnx\")"))
    }

    private func evaluateNetwork() throws {
        let name = "fashion-mbv3-smallest"
        let answer = try place.document(
            "evaluate", name, "--dataset", "tiny-dataset", "--per-class", "--confusion", "c.svg")
        let expected = try #require(try figures(name)["testAccuracy"] as? Double)
        #expect(answer["top1"] as? Double == expected)
        let (top1, top5) = (answer["top1"] as? Double ?? 2, answer["top5"] as? Double ?? -1)
        #expect(top5 >= top1 && top5 <= 1 && answer["images"] as? Int == 100)
        #expect(
            (answer["loss"] as? Double ?? 0) > 0 && (answer["images_per_s"] as? Double ?? 0) > 0)
        #expect(answer["calibration_images"] is NSNull)
        let classes = try #require(answer["per_class"] as? [[String: Any]])
        #expect(classes.count == 10 && classes.allSatisfy { $0["images"] as? Int == 10 })
        let right = classes.compactMap { $0["recall"] as? Double }.reduce(0, +) / 10
        #expect(abs(right - expected) < 1e-12)
        let svg = String(decoding: try bytes("c.svg"), as: UTF8.self)
        #expect(svg.hasPrefix("<svg") && svg.contains(" of 10</title>"))
        let train = try place.document(
            "evaluate", name, "--dataset", "tiny-test-images", "--split", "held-out",
            "--images", "30")
        #expect(train["images"] as? Int == 30 && train["per_class"] is NSNull)
        let table = try place.ofa("evaluate", name, "--dataset", "tiny-dataset", "--per-class")
        #expect(table.status == 0 && table.output.contains("top-5"), "\(table.errors)")
        let eight = try place.document(
            "evaluate", name, "--dataset", "tiny-dataset", "--bits", "8")
        #expect(eight["bits"] as? Int == 8 && answer["bits"] as? Int == 32)
        #expect(eight["images"] as? Int == 100 && (eight["calibration_images"] as? Int ?? 0) > 0)
        // Of 100 images of a network that has hardly learned, some change their class.
        #expect(abs((eight["top1"] as? Double ?? 2) - expected) <= 0.1)
        #expect(eight["loss"] as? Double != answer["loss"] as? Double)
        let bits = try place.ofa("evaluate", name, "--dataset", "tiny-dataset", "--bits", "9")
        #expect(bits.status == 64 && bits.errors.contains("8 or 32 bits"), "\(bits.errors)")
        let odd = try place.ofa(
            "evaluate", name, "--dataset", "tiny-dataset", "--arch", "largest")
        #expect(odd.status == 64 && odd.errors.contains("for supernets"), "\(odd.errors)")
        let wrong = try place.ofa("evaluate", name, "--dataset", name)
        #expect(wrong.status == 1 && wrong.errors.contains("not a data set"), "\(wrong.errors)")
    }

    /// The subnet of the supernet is calibrated as the extracted network was, so both are equally good.
    private func evaluateSupernet() throws {
        let supernets = try place.list("artifacts", "list", "--kind", "supernet")
        let supernet = "\(try #require(supernets.last?["id"] as? Int))"
        let expected = try figures("fashion-mbv3-largest")
        let genes = String(
            decoding: try JSONSerialization.data(withJSONObject: try #require(expected["arch"])),
            as: UTF8.self)
        for arch in ["largest", genes] {
            let answer = try place.document(
                "evaluate", supernet, "--arch", arch, "--dataset", "tiny-dataset",
                "--calibration-images", "64", "--seed", "3")
            #expect(answer["top1"] as? Double == expected["testAccuracy"] as? Double)
            #expect(answer["calibration_images"] as? Int == 64)
        }
        let none = try place.ofa("evaluate", supernet, "--dataset", "tiny-dataset")
        #expect(none.status == 64 && none.errors.contains("--arch largest"), "\(none.errors)")
        let bad = try place.ofa(
            "evaluate", supernet, "--arch", #"{"ks":[3],"e":[3],"d":[2],"r":28}"#, "--dataset",
            "tiny-dataset")
        #expect(bad.status == 1 && bad.errors.contains("--arch"), "\(bad.errors)")
    }

    private func classify() throws {
        let name = "fashion-mbv3-largest", files = try pictures(20)
        let run = try place.ofa(["classify", name, "--json", "--top", "10"] + files)
        #expect(run.status == 0, "\(run.errors)")
        var right = 0
        for (number, line) in run.lines.enumerated() {
            let answer = try #require(
                try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
            #expect(answer["file"] as? String == files[number] && answer["error"] is NSNull)
            #expect((answer["milliseconds"] as? Double ?? 0) > 0)
            let classes = try #require(answer["classes"] as? [[String: Any]])
            let shares = classes.compactMap { $0["probability"] as? Double }
            #expect(shares.count == 10 && abs(shares.reduce(0, +) - 1) < 1e-9)
            #expect(shares == shares.sorted(by: >))
            if classes[0]["name"] as? String == "\(number % 10)" { right += 1 }
        }
        #expect(run.lines.count == 20)
        let first = try place.document(
            "evaluate", name, "--dataset", "tiny-dataset", "--images", "20")
        #expect(
            first["top1"] as? Double == Double(right) / 20, "as the evaluation of the same images")
        try Data("no picture".utf8).write(to: place.folder.appending(path: "odd.png"))
        let mixed = try place.ofa("classify", name, "odd.png", "gone.png", files[0])
        #expect(mixed.status == 1 && mixed.errors.contains("odd.png"), "\(mixed.errors)")
        #expect(mixed.errors.contains("gone.png") && mixed.errors.contains("2 of 3 pictures"))
        #expect(mixed.output.hasPrefix("picture-0.png: "), "\(mixed.output)")
    }
}
