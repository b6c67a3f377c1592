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

    @Test("resized crops are whole pixels inside the image, of the areas and aspects asked for")
    func resized() {
        var stream = RandomStream(seed: 6)
        let augmentation = Augmentation(minArea: 0.08, flip: true, cropStyle: .resized)
        let (height, width, size) = (200, 300, 64)
        var smallest = 1.0, largest = 0.0, aspects: [Double] = []
        for index in 0..<4000 {
            let crop = augmentation.crop(
                index: index, height: height, width: width, size: size, using: &stream)
            let rows = Double(crop.stepY) * 64, columns = Double(abs(crop.stepX)) * 64
            let top = Double(crop.top - (crop.stepY - 1) / 2)
            let first = crop.stepX > 0 ? crop.left : crop.left + crop.stepX * 63
            let left = Double(first - (abs(crop.stepX) - 1) / 2)
            for value in [rows, columns, top, left] {
                #expect(abs(value - value.rounded()) < 1e-3, "\(value) pixels")
            }
            #expect(top > -1e-3 && left > -1e-3)
            #expect(top + rows < 200.001 && left + columns < 300.001)
            smallest = min(smallest, rows * columns / 60_000)
            largest = max(largest, rows * columns / 60_000)
            aspects.append(columns / rows)
        }
        // Rounding to whole pixels moves an area of 69 x 69 pixels by at most 1.5 %, an aspect as well.
        #expect(smallest > 0.08 * 0.985 && smallest < 0.09 && largest > 0.8)
        #expect((aspects.min() ?? 0) > 0.75 * 0.985 && (aspects.max() ?? 0) < 4.0 / 3 * 1.015)
    }

    @Test("a crop that never fits becomes the largest central part whose aspect is allowed")
    func central() {
        var stream = RandomStream(seed: 7)
        // Ten times as wide as high: an area of the whole cannot be had at an aspect of at most 2.
        let augmentation = Augmentation(
            minArea: 1, flip: false, cropStyle: .resized, maxAspect: 2)
        let crop = augmentation.crop(index: 0, height: 20, width: 200, size: 10, using: &stream)
        #expect(crop.stepY == 2 && crop.stepX == 4)
        #expect(crop.top == 0.5 && crop.left == Float((200 - 40) / 2) + 1.5)
        let tall = augmentation.crop(index: 0, height: 200, width: 20, size: 10, using: &stream)
        #expect(tall.stepY == 4 && tall.stepX == 2)
    }

    @Test("colours are drawn within their shares, around 1, in both orders")
    func colours() {
        var stream = RandomStream(seed: 8), saturationFirst = 0
        var brightness: [Float] = [], saturation: [Float] = []
        for index in 0..<2000 {
            let crop = Augmentation.imageNet.crop(
                index: index, height: 64, width: 64, size: 64, using: &stream)
            brightness.append(crop.brightness)
            saturation.append(crop.saturation)
            if crop.isSaturationFirst { saturationFirst += 1 }
        }
        for (factors, share) in [(brightness, Float(32) / 255), (saturation, 0.5)] {
            #expect(factors.allSatisfy { abs($0 - 1) <= share * 1.0001 })
            #expect((factors.max() ?? 0) > 1 + 0.98 * share)
            #expect((factors.min() ?? 2) < 1 - 0.98 * share)
            // Uniform: the mean of 2,000 has a deviation of share / sqrt(3 * 2000); five of them.
            let mean = factors.reduce(0, +) / 2000
            #expect(abs(mean - 1) < 5 * share / Float(6000).squareRoot())
        }
        #expect((890...1110).contains(saturationFirst))
    }

    @Test("what is off draws nothing: the same stream gives the crops of before")
    func unchanged() {
        let plain = Augmentation(minArea: 0.3, flip: true, shift: 1)
        var off = plain
        (off.maxAspect, off.brightness, off.saturation) = (4.0 / 3, 0, 0)
        var first = RandomStream(seed: 9), second = first
        for index in 0..<100 {
            let crop = plain.crop(index: index, height: 28, width: 28, size: 24, using: &first)
            #expect(
                crop == off.crop(index: index, height: 28, width: 28, size: 24, using: &second))
            #expect(crop.brightness == 1 && crop.saturation == 1)
        }
        // The draws of the formulas as they were first released.
        var stream = RandomStream(seed: 9)
        let area = 0.3 + (1 - Float(0.3)) * stream.uniform()
        let aspect = exp((stream.uniform() * 2 - 1) * log(Float(4) / 3))
        let height = min(28, 28 * (area / aspect).squareRoot())
        var again = RandomStream(seed: 9)
        let crop = plain.crop(index: 0, height: 28, width: 28, size: 24, using: &again)
        #expect(crop.stepY == height / 24)
    }

    @Test("JSON of before is read, and settings that are off are written as before")
    func json() throws {
        let old = #"{"flip":false,"minArea":0.5,"shift":2}"#
        let read = try JSONDecoder().decode(Augmentation.self, from: Data(old.utf8))
        #expect(read == Augmentation(minArea: 0.5, flip: false, shift: 2))
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        #expect(String(decoding: try encoder.encode(read), as: UTF8.self) == old)
        let all = try encoder.encode(Augmentation.imageNet)
        #expect(try JSONDecoder().decode(Augmentation.self, from: all) == .imageNet)
    }
}
