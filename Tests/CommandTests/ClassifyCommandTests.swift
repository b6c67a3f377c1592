// `ofa classify` with named classes: names and numbers, networks of older versions, and outputs that are not finite.
import Datasets
import Foundation
import Networks
import TestSupport
import Testing

@testable import Pipelines

@Suite struct ClassifyCommandTests {
    private let place: CommandPlace
    private let network = "fashion-mbv3-smallest"

    init() throws {
        place = try .withPictures()
        for (name, value) in [("black.png", 0), ("white.png", 255)] as [(String, UInt8)] {
            let pixels = Array(repeating: value, count: 784)
            let png = try PictureEncoder.png(pixels, width: 28, height: 28, channels: 1)
            try Data(png).write(to: place.folder.appending(path: name))
        }
        try Data("no picture".utf8).write(to: place.folder.appending(path: "odd.png"))
    }

    @Test(
        "each picture has an answer of its own: named and numbered classes, or why there are none")
    func journey() throws {
        try named()
        try older()
        try partlyNotFinite()
        try notFinite()
    }

    /// The lines that `ofa classify --json` prints, and its exit code.
    private func lines(_ name: String, _ files: [String]) throws -> ([[String: Any]], Int32) {
        let run = try place.ofa(["classify", name, "--json", "--top", "10"] + files)
        return (
            try run.lines.map {
                try #require(JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
            }, run.status
        )
    }

    private func classes(_ answer: [String: Any]) -> [[String: Any]] {
        answer["classes"] as? [[String: Any]] ?? []
    }

    private func named() throws {
        let (answers, status) = try lines(network, ["black.png", "white.png"])
        #expect(status == 0 && answers.count == 2)
        // The names are the texts of an exported model's metadata, found by number.
        let texts = CommandPlace.classNames.map { ByteName($0).text }
        #expect(texts[3] == "d\\\\x")
        for answer in answers {
            let classes = classes(answer)
            #expect(Set(classes.compactMap { $0["class"] as? Int }) == Set(0..<10))
            for one in classes {
                let number = try #require(one["class"] as? Int)
                #expect(one["name"] as? String == texts[number])
            }
        }
    }

    /// A network of an older version, without definition and normalisation, answers as the network does.
    private func older() throws {
        try place.copy(
            network, as: "old",
            metadata: {
                $0["definition"] = nil
                $0["input"] = nil
            })
        let files = ["black.png", "white.png"]
        let (old, _) = try lines("old", files), (new, _) = try lines(network, files)
        #expect(old.count == 2)
        for (one, other) in zip(old, new) {
            #expect(
                classes(one).compactMap { $0["probability"] as? Double }
                    == classes(other).compactMap { $0["probability"] as? Double })
        }
    }

    /// The mean of this network's normalisation is 0, so a black picture stays 0 whatever the first weights are; every
    /// other picture overflows.
    private func partlyNotFinite() throws {
        let id = try place.copy(
            network, as: "hot",
            metadata: { fields in
                var input = fields["input"] as? [String: Any] ?? [:]
                input["normalization"] = ["mean": [0.0], "deviation": [1e-30]]
                fields["input"] = input
            },
            file: { file in
                let first = file.tensors.first {
                    $0.key.hasPrefix("first_conv") && $0.value.shape.count == 4
                }
                let name = try #require(first?.key)
                let values = try #require(file.tensors[name]).values
                file.tensors[name]?.values = values.map { $0 * 1e30 }
            })
        let words = "artifact \(id): the network's outputs are not finite"
        let files = ["white.png", "gone.png", "black.png", "odd.png"]
        let (answers, status) = try lines("hot", files)
        #expect(status == 1 && answers.compactMap { $0["file"] as? String } == files)
        try #require(answers.count == 4)
        for (place, words) in [(0, words), (1, "gone.png"), (3, "odd.png")] {
            let error = try #require(answers[place]["error"] as? [String: Any])
            #expect((error["message"] as? String)?.contains(words) == true, "\(error)")
            #expect(answers[place]["classes"] is NSNull)
        }
        let shares = classes(answers[2]).compactMap { $0["probability"] as? Double }
        #expect(shares.count == 10 && abs(shares.reduce(0, +) - 1) < 1e-9)
        let text = try place.ofa(["classify", "hot"] + files)
        #expect(text.status == 1 && text.lines.count == 1, "\(text.output)")
        #expect(text.output.hasPrefix("black.png: ") && text.errors.contains(words))
        #expect(text.errors.contains("3 of 4 pictures were not classified"), "\(text.errors)")
    }

    private func notFinite() throws {
        let id = try place.copyWithNaN(network, as: "diverged")
        let (answers, status) = try lines("diverged", ["black.png", "white.png"])
        #expect(status == 1 && answers.count == 2)
        for answer in answers {
            let error = try #require(answer["error"] as? [String: Any])
            #expect(
                (error["message"] as? String)?.contains("artifact \(id): the network's outputs")
                    == true, "\(error)")
        }
    }
}
