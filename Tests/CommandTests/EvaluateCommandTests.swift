// `ofa evaluate` on pictures with named classes: data sets that do not fit, networks of older versions, outputs that are
// not finite, and files that cannot be written.
import Artifacts
import Foundation
import FoundationXML
import TestSupport
import Testing

@Suite struct EvaluateCommandTests {
    private let place: CommandPlace
    private let network = "fashion-mbv3-smallest", supernet = "fashion-mbv3-full"

    init() throws { place = try .withPictures() }

    @Test(
        "a network is measured on data that fit it, whatever its version; the rest is refused by name"
    )
    func journey() throws {
        try named()
        try olderNetworks()
        try olderRefused()
        try otherClasses()
        try disagreeing()
        try notFinite()
        try files()
    }

    /// Top-1, top-5 and loss of `name` on the test images.
    private func measured(_ name: String, _ more: [String] = []) throws -> [Double] {
        let answer = try place.document(
            ["evaluate", name, "--dataset", "tiny-test-images"] + more)
        return try ["top1", "top5", "loss"].map { try #require(answer[$0] as? Double) }
    }

    /// Evaluates, which must fail with exit code `status`, print nothing and say `words`.
    private func refused(
        _ arguments: [String], status: Int32 = 1, _ words: String...,
        from location: SourceLocation = #_sourceLocation
    ) throws {
        let run = try place.ofa(["evaluate"] + arguments)
        #expect(run.status == status && run.output.isEmpty, sourceLocation: location)
        for words in words {
            #expect(run.errors.contains(words), "\(run.errors)", sourceLocation: location)
        }
    }

    private func named() throws {
        let answer = try place.document(
            "evaluate", network, "--dataset", "tiny-dataset", "--per-class", "--confusion",
            "c.svg")
        let classes = try #require(answer["per_class"] as? [[String: Any]])
        #expect(classes.compactMap { $0["name"] as? String } == CommandPlace.classNames)
        #expect(classes.compactMap { $0["label"] as? Int } == Array(0..<10))
        let svg = String(decoding: try place.bytes("c.svg"), as: UTF8.self)
        for name in ["a &lt;b&gt;", "b &amp; w", "c &quot;q&quot;", "d\\x"] {
            #expect(svg.contains("end\">\(name)</text>"), "\(name)")
        }
        #expect(XMLParser(data: Data(svg.utf8)).parse(), "the plot is well-formed")
    }

    /// Networks and supernets of older versions do not record the definition of their space and their normalisation.
    private func olderNetworks() throws {
        let expected = try measured(network)
        let data = try place.artifact("tiny-dataset").id
        let old = try place.copy(
            supernet, as: "old-supernet", from: .attempt([.init(data, role: "dataset")]),
            metadata: {
                $0["definition"] = nil
                $0["normalization"] = nil
            })
        try place.copy(
            network, as: "old",
            from: .attempt([.init(old, role: "supernet"), .init(data, role: "dataset")]),
            metadata: {
                $0["definition"] = nil
                $0["input"] = nil
            })
        #expect(try measured("old") == expected)
        let arch = ["--arch", "smallest", "--calibration-images", "64"]
        #expect(
            try measured("old-supernet", arch) == measured(supernet, arch))
        // Without a supernet, the network's own file names the space.
        try place.copy(network, as: "alone", from: .user, metadata: { $0["definition"] = nil })
        #expect(try measured("alone") == expected)
    }

    private func olderRefused() throws {
        let data = ["--dataset", "tiny-test-images"]
        try place.copy(
            network, as: "bare", from: .user,
            metadata: {
                $0["definition"] = nil
                $0["input"] = nil
            })
        try refused(["bare"] + data, "how its images are normalised, and has no data set")
        try place.copy(
            network, as: "nowhere", from: .user, metadata: { $0["definition"] = nil },
            file: { $0.metadata["space"] = "nowhere" })
        try refused(["nowhere"] + data, "records the definition of its space")
    }

    private func otherClasses() throws {
        let own = try place.artifact(network).id, cut = try place.artifact(supernet).id
        let reversed = try place.copy(
            "tiny-test-images", as: "reversed",
            bytes: { bytes in
                var manifest = try #require(
                    JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any])
                let classes = try #require(manifest["classes"] as? [Any])
                manifest["classes"] = Array(classes.reversed())
                return [UInt8](try JSONSerialization.data(withJSONObject: manifest))
            })
        try refused(
            [network, "--dataset", "reversed"], status: 2,
            "class 0 is 'j' in artifact \(reversed), 'a <b>' in artifact \(own)", "same order")
        try refused(
            [supernet, "--arch", "smallest", "--dataset", "reversed"], status: 2,
            "class 0 is 'j' in artifact \(reversed), 'a <b>' in artifact \(cut)")
        let fewer = CommandPlace.classNames.filter { $0 != "f" }
        try place.writePictures(fewer, train: 3, test: 1, in: "fewer")
        try place.write(
            """
            name: others
            space: fashion-mbv3
            stages:
              fewer: {kind: import-dataset, dataset: fewer, folder: fewer, held_out: 3}
              plain: {kind: import-dataset, dataset: plain, folder: DATA, held_out: 100}

            """)
        let run = try place.ofa("run", "tiny.yaml")
        #expect(run.status == 0, "\(run.errors)")
        let other = try place.artifact("fewer-test-images").id
        try refused(
            [network, "--dataset", "fewer-test-images"], status: 2,
            "artifact \(other) has images of 9 classes, and artifact \(own) tells 10 classes apart",
            "class 5 is 'g' in artifact \(other), 'f' in artifact \(own)")
        // A data set without names of classes cannot disagree with them.
        let plain = try place.document(
            "evaluate", network, "--dataset", "plain-test-images", "--per-class", "--images", "10")
        let classes = try #require(plain["per_class"] as? [[String: Any]])
        #expect(classes.compactMap { $0["name"] as? String } == CommandPlace.classNames)
    }

    private func disagreeing() throws {
        let short = try place.copy("tiny-test-images", as: "short", metadata: { $0["images"] = 99 })
        try refused(
            [network, "--dataset", "short"],
            "artifact \(short) has 100 images; its metadata says 99")
        let long = try place.copy("tiny-dataset", as: "long", metadata: { $0["images"] = 301 })
        try refused(
            [network, "--dataset", "long", "--split", "held-out"],
            "artifact \(long) has 300 images; its metadata says 301")
        try place.copy(
            network, as: "of-long", from: .attempt([.init(long, role: "dataset")]),
            metadata: { $0["input"] = nil })
        try refused(
            ["of-long", "--dataset", "tiny-test-images"],
            "artifact \(long) has 300 images; its metadata says 301")
    }

    private func notFinite() throws {
        let id = try place.copyWithNaN(network, as: "diverged")
        let words = "artifact \(id): the network's outputs are not finite"
        try refused(["diverged", "--dataset", "tiny-test-images"], words)
        try refused(["diverged", "--dataset", "tiny-test-images", "--json"], words)
    }

    /// A measurement is not lost because its plot cannot be written.
    private func files() throws {
        let arguments = [
            network, "--dataset", "tiny-test-images", "--images", "10", "--confusion",
        ]
        for json in [[], ["--json"]] {
            let full = try place.ofa(["evaluate"] + arguments + ["/dev/full"] + json)
            #expect(full.status == 1 && full.errors.contains("cannot write /dev/full"))
            #expect(full.output.contains(json.isEmpty ? "top-1" : "\"top1\":"), "\(full.output)")
        }
        try refused(arguments + ["pictures"], "pictures is a folder")
        try Data("old".utf8).write(to: place.folder.appending(path: "old.svg"))
        try refused(arguments + ["old.svg"], "old.svg exists", "--force")
        #expect(try place.bytes("old.svg") == Array("old".utf8))
        #expect(try place.ofa(["evaluate"] + arguments + ["old.svg", "--force"]).status == 0)
        #expect(try place.bytes("old.svg").starts(with: Array("<svg".utf8)))
    }
}
