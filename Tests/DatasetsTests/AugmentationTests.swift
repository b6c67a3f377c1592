// Crops that training draws: inside the image, of the sizes asked for, and the same for the same stream.
import Datasets
import Foundation
import Tensors
import Testing

@Suite struct AugmentationTests {
    /// The source coordinates of the middle of the first and the last output pixel.
    private func ends(_ crop: Crop, size: Int) -> (
        top: Float, bottom: Float, left: Float, right: Float
    ) {
        let last = Float(size - 1)
        return (crop.top, crop.top + crop.stepY * last, crop.left, crop.left + crop.stepX * last)
    }

    @Test("without augmentation the whole image is shown, pixel on pixel")
    func none() {
        var stream = RandomStream(seed: 1)
        let crop = Augmentation.none.crop(index: 7, height: 28, width: 20, size: 28, using: &stream)
        #expect(crop.index == 7)
        #expect(crop.top == 0 && crop.stepY == 1 && crop.stepX == Float(20) / 28)
        let smaller = Augmentation.none.crop(
            index: 0, height: 28, width: 28, size: 14, using: &stream)
        // Pixels of 2 x 2: the first centre lies between the first two.
        #expect(smaller.top == 0.5 && smaller.left == 0.5 && smaller.stepX == 2)
    }

    @Test("half of the images are mirrored, and a mirrored row runs backwards over the same pixels")
    func flips() {
        var stream = RandomStream(seed: 2)
        let augmentation = Augmentation(minArea: 1, flip: true, shift: 0)
        var mirrored = 0
        for index in 0..<2000 {
            let crop = augmentation.crop(
                index: index, height: 28, width: 28, size: 28, using: &stream)
            if crop.stepX < 0 { mirrored += 1 }
            let span = ends(crop, size: 28)
            #expect(span.top == 0 && span.bottom == 27)
            #expect(min(span.left, span.right) == 0 && max(span.left, span.right) == 27)
        }
        // Binomial: mean 1,000, deviation 22; five deviations.
        #expect((890...1110).contains(mirrored))
    }

    @Test("random crops keep their share of the area and stay inside the image")
    func crops() {
        var stream = RandomStream(seed: 3)
        let augmentation = Augmentation(minArea: 0.25, flip: true, shift: 0)
        var smallest = Float(1), largest = Float(0)
        for index in 0..<2000 {
            let crop = augmentation.crop(
                index: index, height: 32, width: 32, size: 16, using: &stream)
            let height = crop.stepY * 16, width = abs(crop.stepX) * 16
            smallest = min(smallest, height * width / 1024)
            largest = max(largest, height * width / 1024)
            #expect(height <= 32.001 && width <= 32.001)
            let span = ends(crop, size: 16)
            let edge = abs(crop.stepX) / 2
            #expect(
                min(span.left, span.right) - edge >= -0.501
                    && max(span.left, span.right) + edge <= 31.501)
            #expect(span.top - crop.stepY / 2 >= -0.501 && span.bottom + crop.stepY / 2 <= 31.501)
        }
        #expect(smallest > 0.2499 && smallest < 0.27 && largest > 0.9)
    }

    @Test("a shift moves by whole pixels, up to the limit, in every direction")
    func shifts() {
        var stream = RandomStream(seed: 4)
        let augmentation = Augmentation(minArea: 1, flip: false, shift: 2)
        var tops: Set<Float> = [], lefts: Set<Float> = []
        for index in 0..<500 {
            let crop = augmentation.crop(
                index: index, height: 28, width: 28, size: 28, using: &stream)
            tops.insert(crop.top)
            lefts.insert(crop.left)
        }
        #expect(tops == [-2, -1, 0, 1, 2] && lefts == tops)
    }

    @Test("the same stream draws the same crops; an augmentation survives JSON")
    func repeated() throws {
        let augmentation = Augmentation(minArea: 0.3, flip: true, shift: 1)
        func draw() -> [Float] {
            var stream = RandomStream(seed: 5, 1, 2, 3)
            return (0..<50).flatMap { index -> [Float] in
                let crop = augmentation.crop(
                    index: index, height: 28, width: 28, size: 24, using: &stream)
                return [crop.top, crop.left, crop.stepY, crop.stepX]
            }
        }
        #expect(draw() == draw())
        let json = try JSONEncoder().encode(augmentation)
        #expect(try JSONDecoder().decode(Augmentation.self, from: json) == augmentation)
    }
}
