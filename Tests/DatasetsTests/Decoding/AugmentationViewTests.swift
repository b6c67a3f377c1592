// Training views: the boxes have the published distribution, and a stream decides everything.
import Foundation
import Tensors
import TestSupport
import Testing

@testable import Datasets

@Suite struct AugmentationViewTests {
    private static func place(_ view: PictureView) -> [Int] {
        [view.x, view.y, view.width, view.height]
    }

    @Test(
        "random boxes have the published statistics",
        .enabled(if: ImageIndex.shared != nil, ImageIndex.hint))
    func statistics() throws {
        let sizes = try #require(ImageIndex.shared).preprocessing.random_resized_crop.sizes
        #expect(sizes.count == 6)
        let draws = 40_000
        for (number, size) in sizes.enumerated() {
            var area = 0.0, aspect = 0.0, x = 0.0, y = 0.0, fallbacks = 0
            let width = Double(size.width), height = Double(size.height)
            for draw in 0..<draws {
                var stream = RandomStream(seed: 7, number, draw)
                let box = Augmentation.imageNet.view(
                    width: size.width, height: size.height, size: 128, using: &stream)
                #expect(box.fits(width: size.width, height: size.height))
                area += Double(box.width * box.height) / (width * height)
                aspect += log(Double(box.width) / Double(box.height))
                x += (Double(box.x) + Double(box.width) / 2) / width
                y += (Double(box.y) + Double(box.height) / 2) / height
                if Self.place(box) == size.fallback_box_x_y_w_h {
                    fallbacks += 1
                }
            }
            let n = Double(draws)
            let spread = (1 / n + 1 / Double(size.draws)).squareRoot()
            let measured = [
                (area, size.area_share), (aspect, size.log_aspect), (x, size.centre_x_share),
                (y, size.centre_y_share),
            ]
            for (sum, expected) in measured {
                let bound = 4 * expected.standard_deviation * spread
                #expect(
                    abs(sum / n - expected.mean) < bound, "\(size.width)x\(size.height)")
            }
            let share = size.share_of_fallback
            // The central box is drawn by chance too, but rarely: allow a thousandth for it.
            let deviation = (share * (1 - share)).squareRoot() * spread
            #expect(abs(Double(fallbacks) / n - share) < 4 * deviation + 1e-3)
        }
    }

    @Test("the fallback is the largest central box of an allowed shape")
    func fallback() {
        // A picture so thin that no try fits.
        var stream = RandomStream(seed: 1)
        let box = Augmentation.imageNet.view(width: 1, height: 4000, size: 96, using: &stream)
        #expect(Self.place(box) == [0, 1999, 1, 1])
        let wide = Augmentation.imageNet.view(width: 4000, height: 1, size: 96, using: &stream)
        #expect(Self.place(wide) == [1999, 0, 1, 1])
    }

    @Test("the same stream draws the same view, another another")
    func repeatable() {
        func draw(_ step: Int) -> PictureView {
            var stream = RandomStream(seed: 3, step)
            return Augmentation.imageNet.view(width: 400, height: 300, size: 128, using: &stream)
        }
        #expect(draw(1) == draw(1) && draw(1) != draw(2))
    }

    @Test("half of the views are mirrored, factors fill their ranges, and orders alternate")
    func colours() {
        var mirrored = 0, first = 0, factors: [Float] = []
        for draw in 0..<4000 {
            var stream = RandomStream(seed: 5, draw)
            let view = Augmentation.imageNet.view(width: 40, height: 30, size: 8, using: &stream)
            mirrored += view.isMirrored ? 1 : 0
            first += view.isSaturationFirst ? 1 : 0
            factors.append(view.brightness)
            #expect((0.5...1.5).contains(view.saturation))
        }
        // Five deviations of 4000 fair coins are 158.
        #expect(abs(mirrored - 2000) < 158 && abs(first - 2000) < 158)
        let range = Float(1 - 32.0 / 255)...Float(1 + 32.0 / 255)
        #expect(factors.allSatisfy { range.contains($0) })
        #expect((factors.max() ?? 0) > 1.12 && (factors.min() ?? 2) < 0.88)
    }

    @Test("without random crops a training view is that of evaluation, mirrored or not")
    func uncropped() {
        var stream = RandomStream(seed: 1)
        var view = Augmentation(minArea: 1).view(
            width: 300, height: 200, size: 96, using: &stream)
        view.isMirrored = false
        #expect(view == .evaluation(width: 300, height: 200, size: 96))
    }
}
