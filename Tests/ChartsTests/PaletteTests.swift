// The colours: enough contrast on both papers, and series that readers with any colour vision tell apart.

import Foundation
import Testing

@testable import Charts

@Suite struct PaletteTests {
    /// The linear red, green and blue of `#rrggbb`.
    private static func linear(_ colour: String) -> [Double] {
        let value = Int(colour.dropFirst(), radix: 16) ?? -1
        return [16, 8, 0].map { shift in
            let part = Double((value >> shift) & 255) / 255
            return part <= 0.04045 ? part / 12.92 : pow((part + 0.055) / 1.055, 2.4)
        }
    }

    /// The contrast of two colours by WCAG 2.
    private static func contrast(_ one: String, _ other: String) -> Double {
        let lights = [one, other].map { colour -> Double in
            let parts = linear(colour)
            return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2] + 0.05
        }.sorted()
        return lights[1] / lights[0]
    }

    private static var papers: [KeyPath<Palette.Ink, String>] { [\.light, \.dark] }

    @Test("texts have a contrast of 4.5 to paper, boxes and cells")
    func texts() {
        for paper in Self.papers {
            for text in [Palette.text, Palette.strong, Palette.warning] {
                for ground in [Palette.paper, Palette.box] {
                    #expect(Self.contrast(text[keyPath: paper], ground[keyPath: paper]) >= 4.5)
                }
            }
            for cells in [Palette.right, Palette.wrong] {
                for (level, cell) in cells.enumerated() {
                    let text = level == 0 ? Palette.firstCount : Palette.count
                    #expect(
                        Self.contrast(text[keyPath: paper], cell[keyPath: paper]) >= 4.5, "\(cell)")
                }
            }
        }
    }

    @Test("marks, lines and borders have a contrast of 3 to the paper")
    func marks() {
        let inks =
            Palette.series + ChartState.allCases.map(Palette.state) + Palette.right + Palette.wrong
            + [Palette.rule, Palette.warning]
        for paper in Self.papers {
            for ink in inks {
                let contrast = Self.contrast(ink[keyPath: paper], Palette.paper[keyPath: paper])
                #expect(contrast >= 3, "\(ink): \(contrast)")
            }
            for ink in ChartState.allCases.map(Palette.state) + [Palette.rule] {
                #expect(Self.contrast(ink[keyPath: paper], Palette.box[keyPath: paper]) >= 3)
            }
        }
    }

    /// Returns CIE 1976 L*a*b* of linear red, green and blue under D65.
    private static func lab(_ parts: [Double]) -> [Double] {
        func curve(_ value: Double) -> Double {
            value > 0.008856 ? cbrt(value) : 7.787 * value + 16.0 / 116
        }
        let x = curve((0.4124 * parts[0] + 0.3576 * parts[1] + 0.1805 * parts[2]) / 0.9505)
        let y = curve(0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2])
        let z = curve((0.0193 * parts[0] + 0.1192 * parts[1] + 0.9505 * parts[2]) / 1.089)
        return [116 * y - 16, 500 * (x - y), 200 * (y - z)]
    }

    @Test("any two series differ for readers with full, red-blind and green-blind colour vision")
    func series() {
        // Machado, Oliveira and Fernandes, 2009, severity 1, in linear light.
        let visions: [[[Double]]] = [
            [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
            [
                [0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                [-0.003882, -0.048116, 1.051998],
            ],
            [
                [0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                [-0.011820, 0.042940, 0.968881],
            ],
        ]
        for paper in Self.papers {
            for vision in visions {
                let seen = Palette.series.map { ink -> [Double] in
                    let parts = Self.linear(ink[keyPath: paper])
                    return Self.lab(
                        vision.map { row in
                            max(0, min(1, zip(row, parts).reduce(0) { $0 + $1.0 * $1.1 }))
                        })
                }
                for one in seen.indices {
                    for other in 0..<one {
                        let squares = zip(seen[one], seen[other]).map { ($0 - $1) * ($0 - $1) }
                        #expect(squares.reduce(0, +).squareRoot() >= 19, "\(one) and \(other)")
                    }
                }
            }
        }
    }

    @Test("series differ in shape and dashes too, and states in their icons")
    func withoutColour() {
        let looks = (0..<8).map { "\(ChartShape.series($0)) \(SeriesLook.dashes($0) ?? "")" }
        #expect(Set(looks).count == 8 && Set((0..<8).map { SeriesLook.dashes($0) }).count == 8)
        #expect(SeriesLook.colour(8) == "s0" && SeriesLook.dashes(8) != SeriesLook.dashes(0))
        #expect(Set(ChartState.allCases.map { $0.icon(0, 0) }).count == ChartState.allCases.count)
    }
}
