// Spaces of one's own, through the queue with real workers: trained, sampled, searched and cut; and what does not belong
// together is refused by name.
import Foundation
import Networks
import Testing

@testable import Pipelines

@Suite struct OwnSpaceTests {
    /// Every stage of a pipeline over `space`, in seconds.
    private static func pipeline(_ space: String, phase: String) -> String {
        """
        name: own
        seed: 3
        space: \(space)
        devices:
          box: {kind: phone, max_macs: 2000000000}
        stages:
          data: {kind: import-dataset, dataset: tiny, folder: DATA, held_out: 100, classes: 10}
          full:
            kind: train
            needs: [data]
            phase: full
            \(phase)
            subnets: 2
            sampling: sandwich
            epochs: 0.2
            learning_rate: 0.02
            batch: 32
          accuracy: {kind: sample-accuracy, needs: [full], subnets: 12, images: 40, calibration_images: 64, shards: 1}
          predictor: {kind: fit-predictor, needs: [accuracy]}
          search: {kind: search, needs: [predictor], device: box}
          network: {kind: materialise, needs: [search], device: box, calibration_images: 64}
          smallest: {kind: materialise, needs: [full], network: smallest, calibration_images: 64}
        """
    }

    private static let spaces: [(name: String, space: String, phase: String)] = [
        (
            "half",
            """
            {name: half, base: ofa-mbv3-w1.0, width: 0.5, classes: 37, channels: 1, resolutions: [32, 40, 48], \
            depths: [2, 3]}
            """, "kernel_sizes: [3, 5, 7]\n    expand_ratios: [3, 4, 6]\n    depths: [2, 3]"
        ),
        (
            "small-proxyless",
            """
            {name: small-proxyless, base: ofa-proxyless-w1.3, width: 0.2, classes: 10, channels: 1, \
            resolutions: [32], depths: [2, 3]}
            """, "kernel_sizes: [3, 5, 7]\n    expand_ratios: [3, 6]\n    depths: [2, 3]"
        ),
        (
            "small-resnet",
            """
            {name: small-resnet, base: ofa-resnet50, width: 0.1, classes: 10, channels: 1, \
            resolutions: [32, 40]}
            """, "expand_ratios: [0.2, 0.25, 0.35]\n    depths: [0, 1, 2]\n    widths: [0, 1, 2]"
        ),
    ]

    @Test(
        "a space from a file trains, is sampled, searched and cut", arguments: spaces.map(\.name))
    func everyStage(name: String) throws {
        let own = try #require(Self.spaces.first { $0.name == name })
        let place = try CommandPlace(images: true)
        try place.write(Self.pipeline(own.space, phase: own.phase))
        let run = try place.ofa("run", place.pipeline)
        try #require(run.status == 0, "\(run.errors)")
        let subnets = try place.list("artifacts", "list", "--kind", "subnet")
        #expect(subnets.count == 2)
        // Everything that was made says in which space: by name, and whole.
        for kind in ["supernet", "subnet"] {
            for artifact in try place.list("artifacts", "list", "--kind", kind) {
                let id = try #require(artifact["id"] as? Int)
                let shown = try place.document("artifacts", "show", "\(id)")
                let metadata = try #require(shown["metadata"] as? [String: Any])
                let definition = try #require(metadata["definition"] as? [String: Any])
                #expect(definition["name"] as? String == name, "\(kind) \(id)")
            }
        }
    }

    @Test(
        "one number changed is another space: another hash, and the old predictor is refused by name"
    )
    func changed() throws {
        let place = try CommandPlace(images: true)
        let own = Self.spaces[0]
        try place.write(Self.pipeline(own.space, phase: own.phase))
        let run = try place.ofa("run", place.pipeline)
        try #require(run.status == 0, "\(run.errors)")
        let before = try place.document("space", "check", place.pipeline)
        let predictor = try #require(
            try place.list("artifacts", "list", "--kind", "predictor").first?["id"] as? Int)
        let file = place.folder.appending(path: "predictor.bin").path
        let got = try place.ofa("artifacts", "get", "\(predictor)", "--output", file)
        try #require(got.status == 0, "\(got.errors)")

        try place.write(
            Self.pipeline(
                own.space.replacing("width: 0.5", with: "width: 0.6"), phase: own.phase))
        let after = try place.document("space", "check", place.pipeline)
        #expect(before["hash"] as? String != after["hash"] as? String)
        let refused = try place.ofa(
            "search", "--space", place.pipeline, "--predictor", file, "--max-macs", "2000000000")
        #expect(refused.status != 0)
        #expect(
            refused.errors.contains("half") && refused.errors.contains("width"), "\(refused.errors)"
        )
    }

    @Test(
        "the family of ops/docs/contributing.md is a description, and trains and is cut as it stands there"
    )
    func page() throws {
        let page = try String(
            contentsOf: URL(filePath: #filePath).deletingLastPathComponent()
                .appending(path: "../../ops/docs/contributing.md"), encoding: .utf8)
        let family = try #require(page.firstMatch(of: /```yaml\n(?s)(.*?)```/)).1
        let place = try CommandPlace(images: true)
        let whole = Self.pipeline(
            "SPACE", phase: "kernel_sizes: [3, 5]\n    expand_ratios: [2, 3]\n    depths: [1, 2]"
        )
        .replacing("space: SPACE\n", with: String(family))
        try place.write(whole)
        #expect(try place.document("space", "check", place.pipeline)["architectures"] != nil)
        let run = try place.ofa("run", place.pipeline)
        #expect(run.status == 0, "\(run.errors)")
    }

    @Test("a table of a space of one's own is checked against that space, and refused without it")
    func table() throws {
        let place = try CommandPlace()
        try place.write("name: x\nspace: \(Self.spaces[1].space)\n")
        let space = try SpaceFile.read(place.pipeline)
        var lines = ["resolution,key,ms"]
        for (place, key) in try LatencyKey.all(in: space, resolution: 32).enumerated() {
            lines.append("32,\(key),\(place + 1)")
        }
        let file = place.folder.appending(path: "board.csv").path
        try lines.joined(separator: "\n").write(toFile: file, atomically: true, encoding: .utf8)
        let add = ["device", "add", "board", "--kind", "phone", "--latency-table", file]
        let refused = try place.ofa(add)
        #expect(refused.status != 0)
        #expect(
            refused.errors.contains("fit no known space") && refused.errors.contains("--space"),
            "\(refused.errors)")
        #expect(try place.list("device", "list").isEmpty)
        let added = try place.ofa(add + ["--space", place.pipeline])
        #expect(added.status == 0, "\(added.errors)")
        let short = try place.ofa(add + ["--space", place.pipeline, "--max-latency-ms", "0.5"])
        #expect(
            short.status != 0 && short.errors.contains("small-proxyless"), "\(short.errors)")
    }

    @Test("what makes no network is refused with the file, the line and the field")
    func refused() throws {
        let place = try CommandPlace()
        for (space, words) in [
            ("{base: ofa-mbv3-w1.0, classes: 1}", "space.classes"),
            ("{base: ofa-mbv3-w1.0, widht: 0.5}", "space.widht"),
            ("{base: ofa-mbv9}", "space.base"),
            ("{base: ofa-mbv3-w1.0, name: ofa-mbv3-w1.0, width: 0.5}", "published space"),
            ("{base: ofa-mbv3-w1.0, kernel_sizes: [3, 4]}", "kernel_sizes"),
            ("{base: compofa-mbv3-w1.0, depths: [2]}", "space.depths"),
            ("{base: ofa-resnet50, kernel_sizes: [3]}", "space.kernel_sizes"),
            ("{base: ofa-mbv3-w1.0, width: 8, classes: 1000000, channels: 1}", "parameters"),
            (
                "{name: x, classes: 2, resolutions: [4096], layers: [{convolution: {name: a, width: 8}}, {bottlenecks: {width: 65536, expand_ratios: [16], depths: [1]}}, {mean_pooling: {}}, {dense: {name: c}}]}",
                "1048576 channels"
            ),
            (
                "{name: x, classes: 3, resolutions: [32], layers: [{convolution: {name: c, width: 16}}, {convolution: {name: c, width: 8}}, {mean_pooling: {}}, {dense: {name: d}}]}",
                "two parameters c."
            ),
            (
                "{name: x, classes: 3, resolutions: [32], layers: [{convolution: {name: c, width: 16}}, {inverted_residuals: {width: 16, expand_ratios: [1, 3]}}, {mean_pooling: {}}, {dense: {name: d}}]}",
                "expand_ratios"
            ),
            (
                "{name: x, classes: 3, resolutions: [32], layers: [{convolutoin: {name: a}}]}",
                "convolutoin"
            ),
            (
                "{name: x, classes: 3, resolutions: [32], layers: [max_pooling, mean_pooling]}",
                "layers"
            ),
        ] {
            try place.write("name: x\nspace: \(space)\n")
            let run = try place.ofa("space", "check", place.pipeline)
            #expect(run.status == 1, "\(space)")
            #expect(
                run.errors.contains("tiny.yaml:2") && run.errors.contains(words),
                "\(space): \(run.errors)")
        }
    }
}
