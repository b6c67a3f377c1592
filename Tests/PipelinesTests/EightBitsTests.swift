// What reports say of networks that were measured in eight bits.
import Artifacts
import Testing

@testable import Pipelines

@Suite struct EightBitsTests {
    /// The figures of a network on a device of eight bits.
    private static func figures(floats: Double, eight: Double) throws -> NetworkFigures {
        var figures = ReportFixture.figures(try ReportFixture.choice())
        figures.testAccuracy = eight
        figures.eightBits = EightBits(
            floatTestAccuracy: floats, floatHeldOutAccuracy: nil, rule: "least squares",
            calibrationImages: 300, rangeImages: 1000)
        return figures
    }

    @Test("a note says how much quantisation loses, in capitals above half a point")
    func note() throws {
        for (floats, eight, words) in [
            (0.9, 0.897, "floats are 0.30 points better"), (0.9, 0.9, "floats are as accurate"),
            (0.9, 0.903, "floats are 0.30 points worse"), (0.9, 0.895, "0.50 points better"),
            (0.9, 0.8949, "QUANTISATION LOSES 0.51 POINTS to floats on 10,000 test images"),
        ] {
            let figures = try Self.figures(floats: floats, eight: eight)
            let note = try #require(figures.eightBitsNote)
            #expect(note.contains(words), "\(note)")
            #expect(note.hasPrefix("accuracy and flash are measured in 8 bits (ranges by least"))
            #expect(note.hasSuffix("; the prediction is for floats"))
            #expect(figures.bits == 8 && figures.floatTestAccuracy == floats)
        }
        var figures = try Self.figures(floats: 0.9, eight: 0.9)
        figures.predictedBits = 8
        #expect(figures.eightBitsNote?.contains("prediction") == false)
        let plain = ReportFixture.figures(try ReportFixture.choice())
        #expect(plain.bits == 32 && plain.eightBitsNote == nil && plain.quantisationLoss == nil)
        #expect(plain.floatTestAccuracy == plain.testAccuracy)
        #expect(plain.floatHeldOutAccuracy == plain.heldOutAccuracy)
    }

    @Test("a card has both accuracies, and the figures come back from JSON")
    func card() throws {
        let figures = try Self.figures(floats: 0.9, eight: 0.88)
        let row = RunReport.NetworkRow(
            artifact: ArtifactID(rawValue: 7), figures: figures, storedBytes: 1, choice: nil,
            front: nil, branch: nil)
        let card = ReportCard(row, source: nil).lines.joined(separator: "\n")
        for words in [
            "Accuracy in 8 bits, 10,000 test images", "The same in floats",
            "88.00 ± 0.32 %", "90.00 ± 0.30 %", "QUANTISATION LOSES 2.00 POINTS",
        ] { #expect(card.contains(words), "\(words) of \(card)") }
        let text = try JSONText.encode(figures)
        #expect(try JSONText.decode(NetworkFigures.self, from: text, what: "t") == figures)
    }
}
