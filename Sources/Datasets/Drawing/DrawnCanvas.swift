// The pixels of a picture while it is drawn: the background, the blur, and the conversion to bytes.
import Tensors

/// The pixels as floats. A pixel has red, green and blue in 0...255, and an unused fourth component.
struct DrawnCanvas {
    private(set) var width = 0, height = 0
    var pixels: [SIMD4<Float>] = []
    private var line: [SIMD4<Float>] = []
    private var mix: [Float] = []

    /// Sets the size of the next picture. The pixels still hold the previous picture, until `drawBackground` overwrites
    /// them.
    mutating func resize(width: Int, height: Int) {
        self.width = width
        self.height = height
        if pixels.count < width * height {
            pixels += repeatElement(.zero, count: width * height - pixels.count)
        }
        if mix.count < width {
            mix += repeatElement(0, count: width - mix.count)
            line += repeatElement(.zero, count: width - line.count)
        }
    }

    /// Fills the picture with a mixture of two random colours, whose shares vary by noise of three scales. The part
    /// below a random row is lighter or darker.
    mutating func drawBackground(_ tile: NoiseTile, _ stream: inout RandomStream) {
        let first = DrawnColour.any(saturation: 0.1...0.55, value: 0.25...0.85, &stream)
        let second = DrawnColour.any(saturation: 0.1...0.55, value: 0.25...0.85, &stream)
        let short = Float(min(width, height))
        var layers = [
            NoiseLayer(cell: short / 2.5, strength: 0.6, width: width, &stream),
            NoiseLayer(cell: 20, strength: 0.3, width: width, &stream),
            NoiseLayer(cell: 4.5, strength: 0.2, width: width, &stream),
        ]
        let horizon = Int(Float(height) * stream.uniform(in: 0.3...0.8))
        let ground = stream.uniform(in: 0.75...1.25)
        for row in 0..<height {
            for column in 0..<width { mix[column] = -0.05 }
            for layer in layers.indices { layers[layer].add(row: row, of: tile, to: &mix) }
            let tone = row < horizon ? 1 : ground
            let near = first * tone, step = (second - first) * tone
            for column in 0..<width {
                pixels[row * width + column] = near + step * mix[column]
            }
        }
    }

    /// Blurs horizontally and vertically: a pixel becomes the average of itself and its two neighbours with weights 2,
    /// 1, 1. The last column is not blurred horizontally, and the last row is not blurred vertically.
    mutating func blur() {
        for row in 0..<height {
            let start = row * width
            var before = pixels[start]
            for place in start..<start + width - 1 {
                let here = pixels[place]
                pixels[place] = (before + here + here + pixels[place + 1]) * 0.25
                before = here
            }
        }
        for column in 0..<width { line[column] = pixels[column] }
        for row in 0..<height - 1 {
            for column in 0..<width {
                let place = row * width + column
                let here = pixels[place]
                pixels[place] = (line[column] + here + here + pixels[place + width]) * 0.25
                line[column] = here
            }
        }
    }

    /// Returns the picture as bytes, (height, width, 3), after random changes of contrast, exposure and colour balance,
    /// with darker corners and noise.
    func developed(_ stream: inout RandomStream) -> [UInt8] {
        let contrast = stream.uniform(in: 0.75...1.2), exposure = stream.uniform(in: 0.75...1.25)
        var gain = SIMD4<Float>(repeating: exposure)
        for channel in 0..<3 { gain[channel] *= stream.uniform(in: 0.92...1.08) }
        let corners = stream.uniform(in: 0...0.5)
        // The noise is `grain` times (n - 4), where n is the number of set bits of a random byte. The mean of n is 4,
        // its standard deviation √2.
        let grain = stream.uniform(in: 0.5...4)
        let levels = (0..<256).map { Float($0.nonzeroBitCount - 4) * grain + 0.5 }
        var bytes = [UInt8](repeating: 0, count: width * height * 3)
        let middle = (x: Float(width) / 2, y: Float(height) / 2)
        let perPixel = 1 / (middle.x * middle.x + middle.y * middle.y)
        let base = SIMD4<Float>(repeating: 128 - 128 * contrast)
        var place = 0, word: UInt64 = 0
        for row in 0..<height {
            let dy = Float(row) - middle.y
            for column in 0..<width {
                let dx = Float(column) - middle.x
                let fall = 1 - corners * (dx * dx + dy * dy) * perPixel
                let value = (pixels[row * width + column] * contrast + base) * (gain * fall)
                // Two pixels take their noise from one 64-bit number.
                word = place & 1 == 0 ? stream.next() : word >> 24
                bytes[place] = Self.byte(value.x + levels[Int(word & 255)])
                bytes[place + 1] = Self.byte(value.y + levels[Int((word >> 8) & 255)])
                bytes[place + 2] = Self.byte(value.z + levels[Int((word >> 16) & 255)])
                place += 3
            }
        }
        return bytes
    }

    private static func byte(_ value: Float) -> UInt8 { UInt8(min(255, max(0, value))) }
}
