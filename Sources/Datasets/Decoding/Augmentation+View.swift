// Training views of pictures of any size: the published random resized crop with its flip and
// colours. Draws come from one stream a picture, in a fixed order.

import Foundation
import Tensors

extension Augmentation {
    /// Draws the training view of a picture of `width` x `height` pixels at `size` x `size`.
    ///
    /// With `minArea` of 1 nothing is cropped at random: the view is that of evaluation. Order of
    /// draws: the crop's, the flip, brightness, saturation, their order; settings that are off
    /// draw nothing, except the flip. `shift` and `cropStyle` are for images of one stored size.
    public func view(
        width: Int, height: Int, size: Int, using stream: inout RandomStream
    ) -> PictureView {
        var view =
            minArea < 1
            ? randomBox(width: width, height: height, size: size, &stream)
            : .evaluation(width: width, height: height, size: size)
        view.isMirrored = stream.uniform() < 0.5 && flip
        func factor(_ share: Double) -> Float { 1 + (stream.uniform() * 2 - 1) * Float(share) }
        if brightness > 0 { view.brightness = factor(brightness) }
        if saturation > 0 { view.saturation = factor(saturation) }
        if brightness > 0 && saturation > 0 { view.isSaturationFirst = stream.uniform() < 0.5 }
        return view
    }

    /// Ten tries of an area uniform in [minArea, 1] of the picture's and an aspect ratio
    /// log-uniform in [1 / maxAspect, maxAspect]; then the largest central box with an allowed
    /// aspect ratio.
    private func randomBox(
        width: Int, height: Int, size: Int, _ stream: inout RandomStream
    ) -> PictureView {
        func pixels(_ value: Double) -> Int {
            // Sizes of pictures are far below 2^40, so this never traps.
            Int(min(value, 0x1p40).rounded(.toNearestOrEven))
        }
        let all = Double(width) * Double(height), widest = log(maxAspect)
        for _ in 0..<10 {
            let area = all * (minArea + (1 - minArea) * Double(stream.uniform()))
            let aspect = exp((Double(stream.uniform()) * 2 - 1) * widest)
            let columns = pixels((area * aspect).squareRoot())
            let rows = pixels((area / aspect).squareRoot())
            guard (1...width).contains(columns), (1...height).contains(rows) else { continue }
            let y = stream.below(height - rows + 1), x = stream.below(width - columns + 1)
            return .box(x: x, y: y, width: columns, height: rows, size: size)
        }
        let columns = min(width, max(1, pixels(Double(height) * maxAspect)))
        let rows = min(height, max(1, pixels(Double(width) * maxAspect)))
        return .box(
            x: (width - columns) / 2, y: (height - rows) / 2, width: columns, height: rows,
            size: size)
    }
}
